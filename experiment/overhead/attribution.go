package overhead

import (
	"slices"

	"github.com/sysreflect/sysreflect/experiment/meter"
	"github.com/sysreflect/sysreflect/experiment/results"
)

// parts is the subject of what mechanisms are made of.
const parts = "parts"

// planParts adds what a call's time is divided by: a signal to ourselves with a
// handler, and without; a byte to another process and back, and the same calls
// without a switch.
func (b *bench) planParts() {
	if !b.o.wants("null") && !b.o.wants("getrandom") {
		return
	}
	b.add(native, "entry", parts, meter.NoCall, meter.Loop, "", 0)
	b.add(native, "signal", parts, meter.Signal, meter.Loop, "", 0)
	b.add(native, "no-signal", parts, meter.NoSignal, meter.Loop, "", 0)
	b.add(native, "switch", parts, meter.Switch, meter.Loop, "", 0)
	b.add(native, "no-switch", parts, meter.NoSwitch, meter.Loop, "", 0)
	for _, t := range b.tasks {
		if t.figure.Subject == parts {
			t.figure.Baseline, t.latency = "", false
		}
	}
}

// A chain divides a figure: each link is what one variant takes over another.
type chain struct {
	b     *bench
	left  []float64 // what no step has taken yet
	steps []results.Step
}

// samples of a figure, nil if it was not measured.
func (b *bench) samples(subject, way string, params map[string]string) []float64 {
	if f := b.run.Find(subject, way, params); f != nil {
		return f.Samples
	}
	return nil
}

// less is a less b, in the rounds that both have.
func less(a, b []float64) []float64 {
	if a == nil || b == nil {
		return nil
	}
	out := make([]float64, min(len(a), len(b)))
	for i := range out {
		out[i] = a[i] - b[i]
	}
	return out
}

// take gives a step what a has over b; b nil means all of a.
func (c *chain) take(name, what string, values []float64) {
	if len(values) == 0 || len(c.left) == 0 {
		return
	}
	c.left = less(c.left, values)
	c.add(name, what, values)
}

func (c *chain) add(name, what string, values []float64) {
	f := results.Figure{Samples: values, Sessions: c.b.medians(values)}
	c.told(name, what, f.Summary())
}

// told gives a step what is told of figures, and not of rounds.
func (c *chain) told(name, what string, s results.Summary) {
	c.steps = append(c.steps, results.Step{Name: name, What: what, Cost: s.Median, Lo: s.Lo, Hi: s.Hi})
}

// rest gives a step what the others leave of a figure that is told by a mean.
func (c *chain) rest(name, what string, of *results.Figure) {
	s := of.Summary()
	for _, step := range c.steps {
		s = s.Less(results.Summary{Median: step.Cost, Lo: step.Lo, Hi: step.Hi}, results.Summary{})
	}
	c.told(name, what, s)
}

// byClocks takes apart what only the processor times of the two processes tell: for how
// long neither had a processor, which is where a sleeping one is woken (less than
// nothing where both worked at a time, on two processors), and what the supervisor did
// beside switching.
func (b *bench) byClocks(c *chain, way string, switches []float64) (known bool) {
	for _, t := range b.tasks {
		if t.figure.Subject != "null" || t.figure.Way != way || len(t.neither) == 0 || switches == nil {
			continue
		}
		name := "neither has a processor"
		if results.Summarize(t.neither).Median < 0 {
			name = "both work at once"
		}
		c.take(name, way+"'s null call less the processor time of program and supervisor",
			t.neither)
		half := make([]float64, len(switches))
		for i, s := range switches {
			half[i] = s / 2
		}
		c.take("the supervisor's work", "the supervisor's processor time in "+way+"'s null call less one switch", less(t.supervisor, half))
		known = true
	}
	return known
}

// attribute divides getrandom of 16 bytes, by each mechanism, and natively.
func (b *bench) attribute() {
	size := map[string]string{"bytes": "16"}
	for _, way := range append([]string{native}, b.mechanisms...) {
		f := b.run.Find("getrandom", way, size)
		if f == nil {
			continue
		}
		c := &chain{b: b, left: slices.Clone(f.Samples)}
		empty := b.samples("null", way, nil)
		if way != native && empty == nil {
			continue
		}
		entry := b.samples(parts, "entry", nil)
		// No kernel is entered where a call is served in the program.
		enters := way == native || way != "vdso" && way != "patch"
		if enters && entry != nil {
			c.take("kernel entry and exit", "a native call with a number that none has", entry)
		}
		// Where all calls are stopped or sent a signal, an unreflected one shows nothing
		// that is less than that.
		if way != native && enters && way != "ptrace-all" && way != "sud" {
			c.take("filter", "unreflected getgid, "+way+" less native", less(b.samples("tax", way, nil), b.samples("tax", native, nil)))
		}
		clocks := false
		switch way {
		case "trap", "sud":
			c.take("signal and return", "tgkill with a handler less without",
				less(b.samples(parts, "signal", nil), b.samples(parts, "no-signal", nil)))
		case "notify", "ptrace", "ptrace-all":
			switches := less(b.samples(parts, "switch", nil), b.samples(parts, "no-switch", nil))
			c.take("two context switches", "a byte to a process and back less the same calls alone", switches)
			clocks = b.byClocks(c, way, switches)
		}
		switch null := b.run.Find("null", way, nil); {
		case way == native:
			c.add("work", "getrandom(16) less the above", c.left)
		case null.IsMean():
			c.rest("the mechanism's rest", way+"'s null call less the above", null)
			c.told("work", "getrandom(16) less the null call", f.Summary().Less(null.Summary(), results.Summary{}))
		default:
			work := less(f.Samples, empty)
			name := "dispatch"
			if enters {
				name = "the mechanism's rest"
			}
			what := way + "'s null call less the above"
			if clocks {
				name, what = "kernel, for the program", "the program's processor time in "+way+"'s null call less entry, filter and the other switch"
			}
			c.add(name, what, less(c.left, work))
			c.add("work", "getrandom(16) less the null call", work)
		}
		f.Steps = c.steps
	}
}
