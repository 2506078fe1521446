package probe

import (
	"strconv"
	"strings"
)

// atLeast compares a kernel's release with "5.19". A release that can't be read
// is taken for new.
func atLeast(release, since string) bool {
	have, ok1 := version(release)
	want, ok2 := version(since)
	if !ok1 || !ok2 {
		return true
	}
	return have[0] > want[0] || have[0] == want[0] && have[1] >= want[1]
}

// version reads the first two numbers of "6.1.0-44-cloud-amd64".
func version(s string) (v [2]int, ok bool) {
	major, rest, _ := strings.Cut(s, ".")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		rest = rest[:end]
	}
	var err1, err2 error
	v[0], err1 = strconv.Atoi(major)
	v[1], err2 = strconv.Atoi(rest)
	return v, err1 == nil && err2 == nil
}
