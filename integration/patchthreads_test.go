package integration

import (
	"strconv"
	"testing"
)

// TestPatchShortThreads: no thread makes the call a second time, and the site is
// patched all the same.
func TestPatchShortThreads(t *testing.T) {
	const threads = 300
	for _, how := range []string{"glibc", "musl-static"} {
		t.Run(how, func(t *testing.T) {
			p := program{argv: []string{victim(t, "shortthreads.c", how), strconv.Itoa(threads)}}
			c, o := p.count(t)
			if describe(o.status) != "status 0" {
				t.Fatalf("%s\n%s", describe(o.status), o.stderr)
			}
			patched, _ := c.of("getrandom", "patch")
			notified, _ := c.of("getrandom", "notify")
			if notified > 10 || patched < threads-10 {
				t.Errorf("%d calls by the patched site, %d notified, of %d threads", patched, notified, threads)
			}
		})
	}
}
