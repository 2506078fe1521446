package policy

import (
	"math"
	"strconv"
	"strings"
)

// numberHint says how numbers are written, to someone who wrote word.
func numberHint(word string) string {
	if isOctal(word) {
		return "a leading zero is ambiguous: octal is 0o" + strings.TrimLeft(word, "0") + ", decimal has none"
	}
	return "numbers are decimal, or hexadecimal with 0x"
}

func isOctal(word string) bool {
	return len(word) > 1 && word[0] == '0' && strings.Trim(word, "01234567") == "" && strings.Trim(word, "0") != ""
}

// parseUint reads a decimal or hexadecimal number. A leading zero means octal
// to C and to old YAML and nothing to new YAML, so it is refused.
func parseUint(s string) (uint64, bool) {
	if strings.ContainsRune(s, '_') {
		return 0, false
	}
	if len(s) > 1 && s[0] == '0' && s[1] >= '0' && s[1] <= '9' {
		return 0, false
	}
	v, err := strconv.ParseUint(s, 0, 64)
	return v, err == nil
}

// parseInt reads a number as parseUint does, with a sign.
func parseInt(word string) (int64, bool) {
	rest, negative := strings.CutPrefix(word, "-")
	if rest == "" || rest[0] < '0' || rest[0] > '9' {
		return 0, false
	}
	v, ok := parseUint(rest)
	if !ok {
		return 0, false
	}
	if negative {
		return int64(-v), v <= 1<<63
	}
	// Hexadecimal numbers may use all 64 bits, as addresses and masks do.
	return int64(v), v <= math.MaxInt64 || strings.HasPrefix(word, "0x")
}
