package results

import "strconv"

// Fingerprint is 64 bits that tell texts apart (FNV-1a), in hexadecimal. It is for
// comparing what runs were made with, not for proving anything: packages that could
// prepare themselves at every start of the program that this is linked into.
func Fingerprint(text string) string {
	h := uint64(14695981039346656037)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return strconv.FormatUint(h, 16)
}
