package integration

import (
	"strconv"
	"testing"
)

// TestPatchShortThreads: no thread makes the call a second time, and the site is
// patched all the same.
func TestPatchShortThreads(t *testing.T) {
	const threads = 300
	for _, c := range []struct {
		how  string
		most uint64 // notifications
	}{
		{"glibc", 10},
		{"musl-static", 80}, // needs memory elsewhere, so first a visit has to be worth it
	} {
		t.Run(c.how, func(t *testing.T) {
			most := c.most
			p := program{argv: []string{victim(t, "shortthreads.c", c.how), strconv.Itoa(threads)}}
			c, o := p.count(t)
			if describe(o.status) != "status 0" {
				t.Fatalf("%s\n%s", describe(o.status), o.stderr)
			}
			patched, _ := c.of("getrandom", "patch")
			notified, _ := c.of("getrandom", "notify")
			if notified > most || patched < threads-most {
				t.Errorf("%d calls by the patched site, %d notified, of %d threads", patched, notified, threads)
			}
		})
	}
}
