package integration

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// othersPolicy has one call reflected by sud, so that all others are dispatched too.
const othersPolicy = "version: 1\nsud: {others: %s}\nrules:\n  - {calls: [getpgrp], mechanism: sud, do: {return: 77}}\n"

var wrongOnes = regexp.MustCompile("wrong [0-9]+")

// TestOtherCalls: under dispatch the sites of calls that no rule names are patched, and
// what is reflected is reflected all the same, wherever it is made: none more, none less. In new
// threads and children the first call is trapped, before they are dispatched.
func TestOtherCalls(t *testing.T) {
	for _, how := range []string{"glibc", "glibc-no-pie", "glibc-static", "musl", "musl-static", "static-pie"} {
		t.Run(how, func(t *testing.T) {
			p := program{argv: []string{victim(t, "sudothers.c", how), "77"}}
			natively := p.run(t, p.argv)
			for _, others := range []string{"patch", "signal"} {
				p.flags = writePolicy(t, fmt.Sprintf(othersPolicy, others))
				c, o := p.count(t)
				var made, other uint64
				if _, err := fmt.Sscanf(o.stderr, "made %d others %d", &made, &other); err != nil || o.status != 0 {
					t.Fatalf("%s: %s\n%s%s", others, describe(o.status), o.stdout, o.stderr)
				}
				if d := difference(wrongOnes.ReplaceAllString(natively.stdout, "wrong 0"), o.stdout); d != "" {
					t.Errorf("%s: - natively\n%s", others, d)
				}
				if n, _ := c.of("getpgrp", "sud"); n != made {
					t.Errorf("%s: %d calls are counted, and %d were made", others, n, made)
				}
				patched, _ := c.of("getppid", "patch")
				more, _ := c.of("getpid", "patch")
				if patched += more; (others == "signal") != (patched == 0) || others == "patch" && patched < other*8/10 {
					t.Errorf("%s: %d of %d other calls came by patched sites", others, patched, other)
				}
			}
		})
	}
}

// TestManySites: more sites make calls than the handler has exits for.
func TestManySites(t *testing.T) {
	p := program{argv: []string{victim(t, "sitesbeyond.c", "glibc")}, flags: writePolicy(t, dispatchOne)}
	c, o := p.count(t)
	if n, _ := c.of("getppid", "patch"); o.stdout != "0 calls went wrong\n" || n < 600000 {
		t.Errorf("of 700000 calls %d came by patched sites\n%s%s", n, o.stdout, o.stderr)
	}
}

// TestOtherSites: a program that lets calls from one range of its own through has them
// made there again.
func TestOtherSites(t *testing.T) {
	for _, others := range []string{"patch", "signal"} {
		p := program{argv: []string{victim(t, "sudrange.c", "glibc")}, flags: writePolicy(t, fmt.Sprintf(othersPolicy, others))}
		p.sameAnd(t, "wrong 0 caught 200")
		c, _ := p.count(t)
		if len(c.Missed) != 1 || !strings.Contains(c.Missed[0].Reason, "uses Syscall User Dispatch itself") {
			t.Errorf("others: %s: the run says %+v", others, c.Missed)
		}
	}
}
