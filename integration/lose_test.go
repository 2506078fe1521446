package integration

import "testing"

// TestLostPages: a call of getrandom at a patched site meets EFAULT in a page that it
// has just written to and that the program has given away since, by whatever call.
func TestLostPages(t *testing.T) {
	for _, tc := range []struct{ source, how, way string }{
		{"lose.c", "glibc", "functions"},
		{"lose.c", "glibc", "syscall"},
		{"lose.c", "glibc", "inline"},
		{"lose.c", "glibc-no-pie", "functions"},
		{"lose.c", "glibc-static", "functions"},
		{"lose.c", "glibc-static", "inline"},
		{"lose.c", "musl", "functions"},
		{"lose.c", "musl", "syscall"},
		{"lose.c", "musl-static", "functions"},
		{"lose.c", "musl-static", "inline"},
		{"golose", "go", ""},
	} {
		t.Run(tc.how+"/"+tc.way, func(t *testing.T) {
			exe := victim(t, tc.source, tc.how)
			asEach(t, func(t *testing.T, who account) {
				for _, flags := range [][]string{nil, {"--stats-file", "stats"}, {"-m", "trap"}, {"-m", "sud"}, {"--no-patch-cache"}} {
					p := program{argv: []string{exe, tc.way}, user: who, flags: flags, skipFile: func(string) bool { return true }}
					p.same(t)
				}
			})
		})
	}
}
