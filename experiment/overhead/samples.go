package overhead

import (
	"cmp"
	"slices"
	"time"

	"github.com/sysreflect/sysreflect/experiment/machine"
	"github.com/sysreflect/sysreflect/experiment/meter"
)

// try makes a window, and looks at the clocks of those who have a part in it where they are
// more than one.
func (t *task) try(hz float64, quiet uint64, longest uint32) (w windowed, err error) {
	clocks := t.served() && t.by.program != 0
	var program, supervisor time.Duration
	if clocks {
		program, supervisor = t.by.clocks()
	}
	if w.Sample, err = t.by.m.Sample(t.way, t.calls, t.bytes, t.parts(), quiet, longest); err != nil || !clocks {
		return w, err
	}
	p, s := t.by.clocks()
	n := float64(w.Calls)
	w.supervisor = float64(s-supervisor-t.by.command[1]) / n
	w.neither = float64(w.Cycles+w.Around)/hz*1e9/n - w.supervisor - float64(p-program-t.by.command[0])/n
	return w, nil
}

// A windowed is a window with what clocks say of a call, in nanoseconds: see task.
type windowed struct {
	meter.Sample
	supervisor, neither float64
}

// take counts a window of a round. Where they are several, the mean of their middle half counts,
// of those so far that were alone, or of all.
func (t *task) take(w windowed, round int, quiet uint64) {
	if len(t.cycles) <= round {
		t.cycles, t.pulses, t.round = append(t.cycles, 0), append(t.pulses, 0), t.round[:0]
		if t.served() && t.by.program != 0 {
			t.supervisor, t.neither = append(t.supervisor, 0), append(t.neither, 0)
		}
	}
	t.round = append(t.round, w)
	slices.SortFunc(t.round, func(a, b windowed) int { return cmp.Compare(a.Cycles, b.Cycles) })
	of := slices.DeleteFunc(slices.Clone(t.round), func(w windowed) bool { return w.Pulse > quiet })
	if len(of) == 0 {
		of = t.round
	}
	t.put(round, of[len(of)/4:len(of)-len(of)/4]...)
}

// put makes windows that of a round: their mean, or the only one.
func (t *task) put(round int, windows ...windowed) {
	cycles := 0.0
	t.pulses[round] = 0
	for _, w := range windows {
		cycles += float64(w.Cycles)
		t.pulses[round] = max(t.pulses[round], w.Pulse)
	}
	t.cycles[round] = cycles / float64(len(windows)*t.calls)
	if t.served() && t.by.program != 0 {
		t.supervisor[round], t.neither[round] = windows[0].supervisor, windows[0].neither
	}
}

// clocks are the processor times of the contestant's program and of its supervisor.
func (c *contestant) clocks() (program, supervisor time.Duration) {
	return machine.ProcessorTime([]int{c.program}), machine.ProcessorTime([]int{c.m.PID})
}
