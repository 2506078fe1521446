package overhead

import (
	"fmt"
	"time"
)

// A core says which windows had their core for themselves. Where it has two threads (SMT),
// what the other one does slows most of what is measured by a third to a half, for milliseconds
// at a time, and a virtual machine does not learn of it. What that costs is nobody's
// mechanism: so windows wait until they are alone, and those that were not are made again.
type core struct {
	pulses [mostPulse]int // how many took so long, in units of pulse.h
	seen   int
	quiet  uint64 // what a pulse takes at most on a core of its own; 0: not known yet
	// Cycles of windows that count, and of waiting and of windows that don't.
	counted, lost uint64
	// Windows, and those that were not alone, or would not have been, at their first try.
	windows, met int
	// Samples, and those that had not their core for themselves after all.
	samples, shared int
}

const (
	// A pulse takes 1.4 to 1.6 times as long where another thread uses the core (AMD Zen 5), and
	// varies by 4 % alone.
	busyBy = 1.15
	// So many pulses tell what it takes alone, by the fastest ones. All of the run's count: a
	// neighbour may stay for seconds, and the processor's frequency makes no difference.
	leastPulses = 64
	mostPulse   = 1 << 15
	fastest     = 0.05

	// Others stay for half a millisecond, mostly.
	longestWait = time.Millisecond
	mostTries   = 4
	// Waiting and repeating may take so many times what is counted: where others never leave,
	// all windows are alike again.
	mostLost = 2
)

// measure makes a task's window, alone if that can be had.
func (c *core) measure(t *task, hz float64) (best windowed, err error) {
	for n := 1; ; n++ {
		quiet := c.limit()
		if t.by.placed { // it is told as it comes
			quiet = 0
		}
		var longest uint32
		if quiet > 0 {
			longest = uint32(min(longestWait.Seconds()*hz, 1<<32-1))
		}
		w, err := t.try(hz, quiet, longest)
		if err != nil {
			return w, err
		}
		c.saw(w.Pulse)
		c.lost += w.Waited
		if n == 1 && c.quiet > 0 && !t.by.placed {
			if c.windows++; w.Waited > 0 || w.Pulse > c.quiet {
				c.met++
			}
		}
		if n == 1 || w.Pulse < best.Pulse {
			best = w
		}
		took := w.Cycles + w.Around - w.Waited
		if quiet == 0 || w.Pulse <= quiet || n == mostTries {
			c.counted += took
			return best, nil
		}
		c.lost += took
	}
}

// limit is what a pulse may take; 0 if nobody is to wait for that.
func (c *core) limit() uint64 {
	if c.lost > mostLost*c.counted {
		return 0
	}
	return c.quiet
}

// saw learns from a pulse.
func (c *core) saw(pulse uint64) {
	c.pulses[min(pulse, mostPulse-1)]++
	if c.seen++; c.seen%leastPulses != 0 {
		return
	}
	rest := int(fastest * float64(c.seen))
	for took, n := range c.pulses {
		if rest -= n; rest < 0 {
			c.quiet = uint64(busyBy * float64(took))
			return
		}
	}
}

// count counts samples of rounds from one on.
func (c *core) count(tasks []*task, from int) {
	for _, t := range tasks {
		if t.by.placed {
			continue
		}
		for _, pulse := range t.pulses[min(from, len(t.pulses)):] {
			if c.samples++; c.quiet > 0 && pulse > c.quiet {
				c.shared++
			}
		}
	}
}

// sharing notes how many windows were not alone at first, and how many samples are not.
func (b *bench) sharing() {
	c := &b.core
	if c.windows == 0 || c.samples == 0 {
		return
	}
	b.run.Noise.Shared = float64(c.shared) / float64(c.samples)
	if met := float64(c.met) / float64(c.windows); met >= 0.01 {
		b.run.Notes = append(b.run.Notes, fmt.Sprintf("others used the same core (SMT) during %s of the windows: these waited, or were made again; "+
			"of what counts, %s had it not for itself", percent(met), percent(b.run.Noise.Shared)))
	}
}
