package overhead

import (
	"testing"

	"github.com/sysreflect/sysreflect/experiment/meter"
	"github.com/sysreflect/sysreflect/experiment/results"
)

// What a pulse takes alone is learned from the fastest ones of the run, also where others stay for long.
func TestPulses(t *testing.T) {
	var c core
	see := func(n int, alone uint64) {
		for i := range n {
			pulse := alone + uint64(i%7)
			if i%4 != 0 { // others are there most of the time
				pulse = pulse * 140 / 100
			}
			c.saw(pulse)
		}
	}
	c.saw(1)
	if c.limit() != 0 {
		t.Error("one pulse is enough")
	}
	c = core{}
	for _, slower := range []uint64{100, 150, 150} {
		const alone = 4000
		see(3000, alone*slower/100)
		if got := c.limit(); got <= alone+7 || got >= alone*140/100 {
			t.Errorf("%d, where a pulse takes %d alone", got, alone)
		}
	}
	c.counted, c.lost = 1000, 1000*mostLost+1
	if c.limit() != 0 {
		t.Error("it waits without end")
	}
}

// Windows that were not alone are made again, those of other rounds stay.
func TestMadeUp(t *testing.T) {
	by := meters(t)("")
	of := &task{by: by, way: meter.Getppid, calls: 100}
	b := &bench{run: &results.Run{}, hz: 1e9, contestants: []*contestant{by}, tasks: []*task{of}}
	const never = 1 << 60
	again := func() {
		of.cycles, of.pulses = []float64{1, 2, 3}, []uint64{never + 1, 5, never + 1}
		b.makeUp(b.tasks, 0, 1)
	}
	if again(); of.cycles[0] != 1 {
		t.Error("nobody knows yet what a pulse takes")
	}
	b.core.quiet = never
	if again(); of.cycles[0] < 10 || of.pulses[0] > never || of.cycles[1] != 2 || of.cycles[2] != 3 {
		t.Errorf("%v, %v", of.cycles, of.pulses)
	}
	b.core.lost, b.core.counted = never/2, 1
	if again(); of.cycles[0] != 1 {
		t.Error("too much was lost for that")
	}
	b.core = core{quiet: never, windows: 10, met: 2}
	of.pulses = []uint64{never + 1, never + 1, 1, 1, 1, never + 1}
	b.core.count(b.tasks, 2)
	if b.sharing(); b.run.Noise.Shared != 0.25 || len(b.run.Notes) != 1 {
		t.Errorf("%v, %q", b.run.Noise.Shared, b.run.Notes)
	}
}
