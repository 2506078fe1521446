package overhead

import (
	"testing"

	"github.com/sysreflect/sysreflect/experiment/meter"
	"github.com/sysreflect/sysreflect/experiment/results"
)

// What comes by a signal has two processes in a session, which take turns, two rounds each, there
// and back, whatever the sessions before had; both are new in each.
func TestTwins(t *testing.T) {
	files, err := meter.Write()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{run: &results.Run{}, hz: 1e9, files: files}
	t.Cleanup(func() {
		for _, c := range b.contestants {
			c.close()
		}
		files.Remove()
		files.Once.Close()
	})
	for _, mechanism := range []string{"", "patch", "trap", "sud"} {
		b.enlist(&contestant{name: mechanism, mechanism: mechanism, argv: []string{files.Static}})
		if c := b.contestant(mechanism); c == nil || (c.twin != nil) != (mechanism == "trap" || mechanism == "sud") {
			t.Fatalf("%q: %+v", mechanism, c)
		} else if err := b.settleAll(c); err != nil {
			t.Fatal(err)
		}
	}
	c := b.contestant("trap")
	b.tasks = []*task{{by: c, call: "getppid", way: meter.Getppid, calls: 8}}
	seen := map[int]bool{}
	for session := range 3 {
		if session > 0 {
			b.restart(t.Context())
		}
		one, other := c.m, c.twin.m
		if b.turned {
			one, other = other, one
		}
		for _, m := range []*meter.Meter{one, other} {
			pid, err := m.Self()
			if err != nil || seen[pid] {
				t.Errorf("session %d: process %d, before too %t, %v", session, pid, seen[pid], err)
			}
			seen[pid] = true
		}
		for round, want := range []*meter.Meter{one, one, other, other, one, one, other}[:5+2*(session%2)] {
			if b.turn(round); c.m != want {
				t.Errorf("session %d, round %d: the other process", session, round)
			}
		}
	}
	c.twin.m.Close()
	if err := b.tasks[0].prepareAll(); err == nil {
		t.Error("a twin that ended makes calls")
	}
}
