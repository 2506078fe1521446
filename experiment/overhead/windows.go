package overhead

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sysreflect/sysreflect/experiment/machine"
)

const (
	// window is how long one is. What makes windows differ lasts for milliseconds, so means of
	// 60 µs vary as those of a millisecond do, and many short ones say more than few long
	// ones; to tell the meter takes 10 to 40 µs.
	window = 150 * time.Microsecond
	// A patched site is one after the second call; the first ones also touch fresh
	// memory.
	warmCalls = 200

	// The same where another process serves.
	servedCalls = 32
	servedWarm  = 16
	firstRunUp  = 800
	// A supervisor that comes from a pause serves more slowly for 5 to 10 ms, since a thread of its
	// runtime (sysmon) then looks every 70 µs, and less and less often: that is gone, mostly,
	// after calls that take so long by then.
	runUp = 9 * time.Millisecond
)

// served reports whether another process has a part in the task's calls.
func (t *task) served() bool {
	if t.call == "" {
		return t.by.mechanism == "ptrace-all"
	}
	if by := t.by.served[t.call]; by != "" {
		return elsewhereBy(by)
	}
	return elsewhereBy(t.by.mechanism)
}

// prepare makes the calls that come before anything counts, in a fresh process.
func (t *task) prepare() error {
	calls := warmCalls
	if t.served() {
		calls = servedWarm
	}
	_, _, err := t.by.m.Window(t.way, calls, t.bytes)
	return err
}

// warm has each task make calls until it is what it will be, and finds how many fit
// into a window.
func (b *bench) warm(ctx context.Context) {
	for i := 0; i < len(b.tasks) && ctx.Err() == nil; {
		t := b.tasks[i]
		if err := t.fit(b.hz); err != nil {
			b.drop(t.by, err) // and its tasks, this one too
			continue
		}
		i++
	}
}

func (t *task) fit(hz float64) error {
	want, least := window.Seconds()*hz, 8
	if t.served() {
		least = servedCalls
	}
	if err := t.prepare(); err != nil {
		return err
	}
	if t.runsUp() {
		if _, _, err := t.by.m.Window(t.way, firstRunUp, t.bytes); err != nil {
			return err
		}
	}
	if t.figure.Subject == placed {
		t.calls = placedCalls
		return nil
	}
	calls := 16
	for {
		cycles, returned, err := t.by.m.Window(t.way, calls, t.bytes)
		if err != nil {
			return err
		}
		if t.check && returned != t.wanted {
			return fmt.Errorf("getppid returned %d, and not %d as its policy says", returned, t.wanted)
		}
		if float64(cycles) >= want/4 || calls >= 1<<26 {
			for range 2 { // the first may have been disturbed
				again, _, err := t.by.m.Window(t.way, calls, t.bytes)
				if err != nil {
					return err
				}
				cycles = min(cycles, again)
			}
			t.each = float64(cycles) / float64(calls)
			t.calls = max(least, int(want/t.each))
			return nil
		}
		calls *= 2
	}
}

// order is that of a round. Where a window stands makes a difference: behind one in
// which the processor slept, the next is slower. So the order is another one from
// round to round, and each second round goes the way of the first back. What is
// compared stands together, but for what one supervisor serves: that stands together
// behind its run-up.
func (b *bench) order(last []*task, backward bool) []*task {
	if backward {
		order := slices.Clone(last)
		slices.Reverse(order)
		return order
	}
	rng := rand.New(rand.NewPCG(1, uint64(b.rounds)))
	var groups [][]*task
	place := map[string]int{}
	for _, t := range b.tasks {
		if t.done {
			continue
		}
		key := t.group()
		if t.runsUp() {
			key = t.by.name
		}
		i, ok := place[key]
		if !ok {
			i, groups = len(groups), append(groups, nil)
			place[key] = i
		}
		groups[i] = append(groups[i], t)
	}
	rng.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
	var order []*task
	for _, g := range groups {
		rng.Shuffle(len(g), func(i, j int) { g[i], g[j] = g[j], g[i] })
		order = append(order, g...)
	}
	return order
}

// group names those tasks that are compared with each other.
func (t *task) group() string { return t.figure.Subject + " " + t.figure.Param("bytes") }

// runsUp reports whether a supervisor must have been at work before the task counts. Where
// it is placed by the kernel it is measured as it comes, from a pause.
func (t *task) runsUp() bool { return t.by != nil && t.served() && t.figure.Subject != placed }

// round gives each task a window; it says false when it was interrupted.
func (b *bench) round(ctx context.Context, order []*task) bool {
	var hot *contestant
	for _, t := range order {
		if ctx.Err() != nil {
			return false
		}
		if !slices.Contains(b.contestants, t.by) {
			continue
		}
		var err error
		switch {
		case !t.runsUp():
			hot = nil
		case t.by != hot:
			_, _, err = t.by.m.Window(t.way, int(runUp.Seconds()*b.hz/t.each), t.bytes)
			hot = t.by
		}
		if err == nil {
			err = t.measure(b.hz)
		}
		if err != nil {
			b.drop(t.by, err)
		}
	}
	return true
}

// measure makes a window, and looks at the clocks of those who have a part in it
// where they are more than one.
func (t *task) measure(hz float64) error {
	if !t.served() || t.by.program == 0 {
		cycles, _, err := t.by.m.Window(t.way, t.calls, t.bytes)
		if err == nil {
			t.cycles = append(t.cycles, float64(cycles)/float64(t.calls))
		}
		return err
	}
	program, supervisor := t.by.clocks()
	cycles, all, n, err := t.by.m.Whole(t.way, t.calls, t.bytes)
	if err != nil {
		return err
	}
	p, s := t.by.clocks()
	t.cycles = append(t.cycles, float64(cycles)/float64(t.calls))
	took := float64(s-supervisor-t.by.command[1]) / float64(n)
	t.supervisor = append(t.supervisor, took)
	t.neither = append(t.neither, float64(all)/hz*1e9/float64(n)-took-float64(p-program-t.by.command[0])/float64(n))
	return nil
}

// clocks are the processor times of the contestant's program and of its supervisor.
func (c *contestant) clocks() (program, supervisor time.Duration) {
	return machine.ProcessorTime([]int{c.program}), machine.ProcessorTime([]int{c.m.PID})
}
