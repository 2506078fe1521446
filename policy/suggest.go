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
	if s, ok := LookupSet("@" + strings.ReplaceAll(word, "_", "-")); ok {
		return e.hint("the set is called \"%s\", in quotes", s.Name)
	}
	if why := otherNames(word); why != "" {
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
	e := failf("%q is no x86-64 system call number", word)
	if v, ok := parseUint(word); ok && v&x32Bit != 0 && v < 2*x32Bit {
		return e.hint("x32 calls are foreign: no rule is for them, see the key foreign")
	}
	return e.hint("%s; the highest is %d", numberHint(word), MaxNumber)
}

// otherNames says what x86-64 calls something that people know from C or from
// another architecture.
func otherNames(word string) string {
	switch word {
	case "exec", "execv", "execvp", "execl", "execvpe", "fexecve":
		return "the calls are execve and execveat"
	case "send", "recv":
		return "x86-64 has " + word + "to and " + word + "msg; " + word + " is a function of the C library"
	case "waitpid", "wait":
		return "x86-64 has wait4 and waitid"
	case "stat64", "lstat64", "fstat64", "fstatat", "fstatat64":
		return "x86-64 has stat, lstat, fstat, newfstatat and statx"
	case "mmap2", "_llseek", "fcntl64", "ftruncate64", "truncate64", "sendfile64", "statfs64", "fstatfs64":
		return "x86-64 has " + strings.TrimPrefix(strings.TrimSuffix(strings.TrimSuffix(word, "64"), "2"), "_l")
	case "umount":
		return "x86-64 has umount2"
	case "sigaction", "sigprocmask", "sigreturn", "sigsuspend", "sigpending":
		return "x86-64 has rt_" + word
	case "pread", "pwrite":
		return "x86-64 has " + word + "64"
	case "socketcall", "ipc":
		return "x86-64 has a call for each of its functions"
	case "clock_gettime64", "clock_getres_time64", "clock_nanosleep_time64", "futex_time64":
		return "this is a call of 32-bit programs; no rule is for them, see the key foreign"
	case "seteuid", "setegid":
		return "x86-64 has setresuid and setresgid"
	case "popen", "system", "fopen", "printf", "malloc", "free":
		return "this is a function of the C library, not a system call"
	case "getentropy", "arc4random":
		return "the C library makes it of getrandom"
	case "prlimit":
		return "x86-64 has prlimit64"
	case "sysctl":
		return "x86-64 has _sysctl"
	}
	return ""
}
