package overhead

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// window is how long one is. What makes windows differ lasts for milliseconds, so means of
	// 60 µs vary as those of a millisecond do, and many short ones say more than few long
	// ones; to tell the meter takes some 10 µs.
	window = 150 * time.Microsecond
	// What takes less than this is as a processor has just learned to predict its branches, in one of
	// two ways or three that differ by a tenth to a third, and stays so for a window, while what
	// takes longer differs by 2 to 4 %. So it has more of them in each round, shorter ones, apart from each other.
	// The mean of the middle half counts: it says what share each way has, where a median would be
	// one of them, now this, now that.
	little       = 20 * time.Nanosecond
	littleTimes  = 15
	littleWindow = window / 5

	// part is how long the parts of a window are.
	part = 15 * time.Microsecond

	// What comes by a signal goes one of two ways, too, a fifth apart.
	signalTimes  = 9
	signalWindow = window / 4

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

// parts is how many parts a window has. Who uses the same core comes and goes within one, and
// is seen between them only. What is told as it comes has no pulses in between.
func (t *task) parts() int {
	if t.by.placed {
		return 1
	}
	span := t.span
	if span == 0 {
		span = window
	}
	return int(span / part)
}

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

// bySignal reports whether the task's calls come by a signal.
func (t *task) bySignal() bool {
	return t.call != "" && (t.by.mechanism == "trap" || t.by.mechanism == "sud") && !t.served()
}

// prepareAll prepares it in all of its contestant's processes.
func (t *task) prepareAll() error { return t.by.both(t.prepare) }

// prepare makes the calls that come before anything counts, in a fresh process.
func (t *task) prepare() error {
	calls := warmCalls
	if t.served() {
		calls = servedWarm
	}
	if _, err := t.by.m.Have(t.way); err != nil { // makes what a way needs
		return err
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
	if err := t.prepareAll(); err != nil {
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
			switch {
			case t.served():
			case t.each < little.Seconds()*hz:
				t.times, t.span = littleTimes, littleWindow
			case t.bySignal():
				t.times, t.span = signalTimes, signalWindow
			}
			if t.span > 0 {
				want = t.span.Seconds() * hz
			}
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
	for turn := range max(littleTimes, signalTimes) {
		place := map[string]int{}
		for _, t := range b.tasks {
			if turn >= max(1, t.times) {
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

// round gives each task its windows; it says false when it was interrupted. What one
// supervisor serves has those of two rounds behind one run-up, there and back, and so none in
// the rounds that go back.
func (b *bench) round(ctx context.Context, order []*task, back bool) bool {
	for len(order) > 0 {
		if ctx.Err() != nil {
			return false
		}
		t := order[0]
		if !t.runsUp() {
			order = order[1:]
			b.window(t, b.rounds)
			continue
		}
		n := slices.IndexFunc(order, func(other *task) bool { return !other.runsUp() || other.by != t.by })
		if n < 0 {
			n = len(order)
		}
		together := order[:n]
		if order = order[n:]; back || !slices.Contains(b.contestants, t.by) {
			continue
		}
		if _, _, err := t.by.m.Window(t.way, int(runUp.Seconds()*b.hz/t.each), t.bytes); err != nil {
			b.drop(t.by, err)
		}
		for _, t := range together {
			b.window(t, b.rounds)
		}
		for _, t := range slices.Backward(together) {
			b.window(t, b.rounds+1)
		}
		b.makeUp(together, b.rounds, b.rounds+1)
	}
	return true
}

// window is a task's part of a round, if its contestant is still there.
func (b *bench) window(t *task, round int) {
	if !slices.Contains(b.contestants, t.by) {
		return
	}
	w, err := b.core.measure(t, b.hz)
	if err != nil {
		b.drop(t.by, err)
		return
	}
	t.take(w, round, b.core.quiet)
}

// makeUp repeats windows that were not alone.
func (b *bench) makeUp(tasks []*task, rounds ...int) {
	for _, t := range tasks {
		for _, round := range rounds {
			quiet := b.core.limit()
			if quiet == 0 || round >= len(t.pulses) || t.pulses[round] <= quiet || t.by.placed || !slices.Contains(b.contestants, t.by) {
				continue
			}
			w, err := b.core.measure(t, b.hz)
			if err != nil {
				b.drop(t.by, err)
				continue
			}
			if w.Pulse < t.pulses[round] {
				t.put(round, w)
			}
		}
	}
}
