package overhead

import (
	"context"
	"slices"
	"time"

	"github.com/sysreflect/sysreflect/experiment/machine"
	"github.com/sysreflect/sysreflect/experiment/meter"
	"github.com/sysreflect/sysreflect/experiment/results"
)

const (
	// A session begins with fresh processes, since where their code and data lie makes a
	// difference that no number of rounds shows. It has a few rounds, and more until
	// they have taken as long as starting did, and a multiple of the 20 ms for which all calls take
	// longer once processes have been started.
	sessionRounds = 4
	maxRounds     = 100
	sessionTime   = 120 * time.Millisecond

	// leastSessions are held however long they take: fewer than six give no interval
	// of 95 %.
	leastSessions = 8
	// From so many sessions on it is looked whether all figures are known well enough.
	// Looking earlier would end runs whose few sessions happen to be alike.
	enoughSessions = 32

	// A figure whose interval is then so many times as wide as it should be would need the
	// square of that in rounds, which no minute has: where supervisors are not pinned, it depends on
	// which of two ways one happens to be woken. It is not waited for.
	hopeless = 5
)

// Precision is the half of an interval, relative, with which a figure is known well
// enough. Rounds end with a little less, since the machine's pace and the loop that is
// subtracted are measured until the end.
const (
	Precision  = 0.02
	stopWithin = 0.93
)

// measure holds sessions until all figures are known well enough, if that is asked
// for, or time is up.
func (b *bench) measure(ctx context.Context) {
	begin := time.Now()
	if b.o.until > 0 {
		begin = b.started // all of the run has a minute
	}
	for n := 0; ctx.Err() == nil; n++ {
		share := time.Since(begin).Seconds() / b.o.Time.Seconds()
		if n >= leastSessions && share >= 1 || b.o.until > 0 && b.enough(n, b.o.until) {
			break
		}
		b.progress(phaseCalls, min(1, max(share, 0)), "calls")
		started := time.Now()
		if n > 0 {
			b.restart(ctx)
		}
		b.session(ctx, time.Since(started))
	}
	b.files.Remove() // what is to be patched is
	b.sharing()
	// A round that was interrupted counts for nobody.
	for _, t := range b.tasks {
		t.cycles = t.cycles[:min(len(t.cycles), b.rounds)]
		t.pulses = t.pulses[:len(t.cycles)]
		t.neither = t.neither[:min(len(t.neither), b.rounds)]
		t.supervisor = t.supervisor[:min(len(t.supervisor), b.rounds)]
	}
}

// restart ends all contestants and starts them anew.
func (b *bench) restart(ctx context.Context) {
	for _, c := range slices.Clone(b.contestants) {
		if ctx.Err() != nil {
			return
		}
		c.m.Close()
		m, err := c.start()
		if err == nil {
			c.m = m
			if c.twin != nil {
				c.twin.m.Close()
				if m, err = c.start(); err == nil {
					c.twin.m = m
				}
			}
		}
		if err == nil {
			err = b.settleAll(c)
		}
		if err != nil {
			b.drop(c, err)
		}
	}
	for i := 0; i < len(b.tasks) && ctx.Err() == nil; {
		t := b.tasks[i]
		if err := t.prepareAll(); err != nil {
			b.drop(t.by, err)
			continue
		}
		i++
	}
}

// settle pins a contestant, and learns which process is its program.
func (b *bench) settle(c *contestant) error {
	if err := c.m.Pin(b.cpu); err != nil {
		return err
	}
	pid, err := c.m.Self()
	if err != nil {
		return err
	}
	c.program = 0
	if c.mechanism == "" || pid == c.m.PID {
		return nil
	}
	c.program = pid
	const times = 8
	program, supervisor := c.clocks()
	for range times {
		if _, err := c.m.Have(meter.Loop); err != nil {
			return err
		}
	}
	p, s := c.clocks()
	c.command = [2]time.Duration{(p - program) / times, (s - supervisor) / times}
	return nil
}

// session makes rounds, for as long as starting took.
//
// Who tells the meters what to do is on their processor meanwhile, which so never sleeps: a
// virtual one that does is given away by its host, and what comes back is slower by 10 to 30 %
// for some time. And the other one may be the same core's other half, where work, and to wake up,
// takes as much from what is measured.
func (b *bench) session(ctx context.Context, start time.Duration) {
	if leave, err := machine.StayOn(b.cpu); err == nil { // else it is a little noisier
		defer leave()
	}
	begin, first := time.Now(), b.rounds
	b.begins = append(b.begins, first)
	var order []*task
	for n := 0; n < maxRounds && ctx.Err() == nil; n++ {
		if n >= sessionRounds && n%2 == 0 && time.Since(begin) >= max(start, sessionTime) {
			break
		}
		back := n%2 == 1
		order = b.order(order, back)
		b.turn(n)
		if !b.round(ctx, order, back) {
			return
		}
		b.rounds++
	}
	inside := slices.DeleteFunc(slices.Clone(order), (*task).runsUp) // who serves the others has had a pause
	for round := first; round < b.rounds && ctx.Err() == nil; round++ {
		b.turn(round - first)
		b.makeUp(inside, round)
	}
	b.core.count(b.tasks, first)
}

// enough reports whether all is known after n sessions. It is looked after each sixteenth more
// of them: looking takes a while itself, and the more often, the sooner by chance.
//
// Until then every round has everything. What ran before decides how well a processor predicts what
// runs next, and keeps it for long: where rounds consist of calls that come by signals, a native
// getppid takes 148 ns that takes 117 among all others (AMD Zen 4, Safe RET).
func (b *bench) enough(n int, within float64) bool {
	if n < enoughSessions || n < b.look {
		return false
	}
	b.look = n + n/16
	return b.known(within)
}

// known reports whether all figures of calls are known within that, relative, or won't be.
func (b *bench) known(within float64) bool {
	_, paced := b.pace()
	loops := b.loops(paced)
	for _, t := range b.tasks {
		if t.figure.Way == again || !inner(&t.figure) {
			continue
		}
		f := results.Figure{Samples: slices.Clone(paced[t].cycles), Doubt: paced[t].doubt}
		for i := range f.Samples {
			f.Samples[i] -= loops[t.around]
		}
		b.bySessions(t, &f)
		half := f.Summary().HalfWidth()
		if half >= within && !(b.o.Free && t.served() && half > hopeless*within) {
			return false
		}
	}
	return true
}

// bySessions adds to a task's figure what each session said.
func (b *bench) bySessions(t *task, f *results.Figure) {
	// Only getrandom takes as long each time: what serves it makes a call of its own.
	if f.Mean = t.bySignal() && t.figure.Subject != "getrandom"; !f.Mean {
		f.Sessions = b.medians(f.Samples)
		return
	}
	// A mean has no room for neighbours: of a session those rounds count that had their core for
	// themselves, if there are any.
	f.Shared = nil
	f.Sessions = b.ofSessions(f.Samples, func(from, to int) float64 {
		var alone []float64
		var shared []int
		for i := from; i < to; i++ {
			if i < len(t.pulses) && t.pulses[i] > b.core.quiet {
				shared = append(shared, i)
			} else {
				alone = append(alone, f.Samples[i])
			}
		}
		if len(alone) == 0 {
			return results.Mean(f.Samples[from:to])
		}
		f.Shared = append(f.Shared, shared...)
		return results.Mean(alone)
	})
}

// medians are those of sessions, nil where there was only one.
func (b *bench) medians(samples []float64) []float64 {
	return b.ofSessions(samples, func(from, to int) float64 { return results.Summarize(samples[from:to]).Median })
}

func (b *bench) ofSessions(samples []float64, of func(from, to int) float64) (out []float64) {
	for i, from := range b.begins {
		to := len(samples)
		if i+1 < len(b.begins) {
			to = min(to, b.begins[i+1])
		}
		if from < to {
			out = append(out, of(from, to))
		}
	}
	if len(out) < 2 {
		return nil
	}
	return out
}
