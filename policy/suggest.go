package policy

import "strings"

// nearest returns the word that was probably meant: one that differs by few
// letters, or else one that the given word begins, or nothing.
func nearest(word string, words []string) string {
	if len(word) > 64 {
		return ""
	}
	low := strings.ToLower(word)
	best, dist := "", 1+max(1, len(word)/4)
	for _, w := range words {
		if d := distance(low, strings.ToLower(w), dist); d < dist {
			best, dist = w, d
		}
	}
	if best == "" && len(word) > 2 {
		for _, w := range words {
			if strings.HasPrefix(strings.ToLower(w), low) {
				return w
			}
		}
	}
	return best
}

// distance counts the letters to add, drop, change or swap with a neighbour to
// make b of a, giving up at limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	var rows [3][]int
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		row, prev, before := rows[i%3], rows[(i+2)%3], rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return rows[len(a)%3][len(b)]
}

// meant is the hint for a word that is none of words: the nearest one, and
// where the list is short all of them.
func meant(word string, words []string) string {
	near := nearest(word, words)
	switch {
	case near != "" && len(words) > 12:
		return "did you mean " + near + "?"
	case near != "":
		return "did you mean " + near + "? allowed: " + strings.Join(words, ", ")
	case len(words) <= 12:
		return "allowed: " + strings.Join(words, ", ")
	}
	return ""
}

func unknownCall(word string) *Error {
	e := failf("unknown system call %q", word).wrap(ErrUnknown)
	if _, ok := LookupSet("@" + word); ok {
		return e.hint("the set is called \"@%s\", in quotes", word)
	}
	if why, ok := otherCalls[word]; ok {
		return e.hint("%s", why)
	}
	names := make([]string, len(callsByName))
	for i, nr := range callsByName {
		names[i] = callName(int(nr))
	}
	if near := nearest(word, names); near != "" {
		return e.hint("did you mean %s?", near)
	}
	return e.hint("names are those of x86-64, as in asm/unistd_64.h; a call that is newer than this table can be given by number")
}

func unknownSet(word string) *Error {
	names := make([]string, len(sets))
	for i := range sets {
		names[i] = sets[i].Name
	}
	e := failf("unknown set of system calls %q", word).wrap(ErrUnknown)
	if word == "@all" {
		return e.hint("did you mean @known (every call of the table)? the key default is for calls that no rule names")
	}
	if near := nearest(word, names); near != "" {
		return e.hint("did you mean \"%s\"?", near)
	}
	return e.hint("sets: %s", strings.Join(names, ", "))
}

func badNumber(word string) *Error {
	return failf("%q is no x86-64 system call number", word).hint("a number from 0 to %#x; x32 numbers are foreign calls, see the key foreign", x32Bit-1)
}

// otherCalls are names that people know from C, from other architectures or
// from older kernels, and what x86-64 calls the same thing.
var otherCalls = map[string]string{}
