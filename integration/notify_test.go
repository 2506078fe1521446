package integration

import (
	"strconv"
	"testing"
	"time"
)

// TestNotifyStuck: calls that wait for a page which a thread of the program supplies, whose
// own calls are notified: however many wait, those are served.
func TestNotifyStuck(t *testing.T) {
	needRoot(t) // vm.unprivileged_userfaultfd: others may not supply what the kernel asks for
	for _, c := range []struct {
		threads int
		late    string // long enough for all to be stuck, of which there are more than receivers otherwise
	}{{12, "1"}, {60, "1500"}} {
		p := program{
			argv: []string{victim(t, "faults.c", "glibc"), strconv.Itoa(c.threads), c.late},
			flags: writePolicy(t, "version: 1\nrules:\n  - {calls: [getrandom], mechanism: notify, do: shim}\n"+
				"  - {calls: [getppid], mechanism: notify, do: {return: 77}}\n"),
			timeout: 30 * time.Second,
		}
		n, o := p.count(t)
		if describe(o.status) != "status 0" || o.stdout != "0 wrong\n" {
			t.Fatalf("%d threads: %s\n%s%s", c.threads, describe(o.status), o.stdout, o.stderr)
		}
		_, random := count(n, "getrandom")
		if _, own := count(n, "getppid"); random < uint64(c.threads) || own != 3*uint64(c.threads) {
			t.Errorf("%d calls of getrandom and %d of getppid were notified, want %d and %d", random, own, c.threads, 3*c.threads)
		}
		if o.took > 10*time.Second {
			t.Errorf("%d threads took %v", c.threads, o.took)
		}
	}
}

// TestExits: children end as they say, whatever signals come meanwhile.
func TestExits(t *testing.T) {
	for _, m := range []string{"auto", "notify", "trap", "sud"} { // ptrace stops for each signal, which takes longer than until the next
		t.Run(m, func(t *testing.T) {
			program{argv: []string{victim(t, "exits.c", "glibc"), "300"}, flags: []string{"-p", "all-calls", "-m", m}}.works(t, "0 of 300")
		})
	}
}
