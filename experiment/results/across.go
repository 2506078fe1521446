package results

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Difference is what two runs were not alike in.
type Difference struct{ What, A, B string }

// Differences lists what two runs were made with: the machine, its state, and what
// was measured.
func Differences(a, b *Run) []Difference {
	var out []Difference
	add := func(what, a, b string) {
		if a != b {
			out = append(out, Difference{what, orUnknown(a), orUnknown(b)})
		}
	}
	m, n := &a.Machine, &b.Machine
	add("kernel", m.Kernel, n.Kernel)
	add("kernel build", m.Version, n.Version)
	add("architecture", m.Arch, n.Arch)
	add("processor", m.CPU, n.CPU)
	add("processors", strconv.Itoa(m.CPUs), strconv.Itoa(n.CPUs))
	add("governor", m.Governor, n.Governor)
	add("boost", m.Boost, n.Boost)
	add("SMT", m.SMT, n.SMT)
	add("hypervisor", m.Hypervisor, n.Hypervisor)
	add("container", m.Container, n.Container)
	add("clock source", m.ClockSource, n.ClockSource)
	for _, k := range names(m.Mitigations, n.Mitigations) {
		add("mitigation "+k, m.Mitigations[k], n.Mitigations[k])
	}
	add("C library", m.LibC, n.LibC)
	add("Go", m.Go, n.Go)
	add("reflect", m.Reflect, n.Reflect)
	add("policy", short(m.PolicyHash), short(n.PolicyHash))
	add("user", m.User, n.User)
	add("pinned", m.Pinned, n.Pinned)
	// Numbers that never agree are told where they say something.
	for _, v := range []struct {
		what string
		a, b float64
		from float64
	}{
		{"used by others before", m.Busy, n.Busy, 0.05},
		{"taken by the hypervisor", m.Steal, n.Steal, 0.01},
		{"noise", a.Noise.Value, b.Noise.Value, 0.01},
	} {
		if (v.a >= v.from || v.b >= v.from) && max(v.a, v.b) > 2*min(v.a, v.b) {
			add(v.what, percentage(v.a), percentage(v.b))
		}
	}
	add("interrupted", yes(a.Interrupted), yes(b.Interrupted))
	return out
}

func names(a, b map[string]string) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

func orUnknown(s string) string {
	if strings.TrimSpace(s) == "" {
		return "unknown"
	}
	return s
}

func short(hash string) string { return hash[:min(12, len(hash))] }

func percentage(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// An Across is what became of one figure from one run to another.
type Across struct {
	// Of Figure, in the second run, against Baseline, in the first.
	Comparison
	// Relative is the same of what each took in its own run's baseline, so that a
	// processor that is faster throughout drops out; N is 0 where there is none.
	Relative Summary
}

// Weight is how much there is to say of it: first what differs beside its own run's
// baseline, too, the most at first, then the rest.
func (a *Across) Weight() float64 {
	far := func(s Summary) float64 { return math.Abs(math.Log(max(s.Median, 1e-9))) }
	const first = 1000
	if r := a.Relative; r.N > 0 && (r.Lo > 1 || r.Hi < 1) {
		return first + far(r)
	}
	return far(a.Ratio)
}

// CompareRuns compares the figures that two runs have both, in the order of b, and
// corrects for their number. only names what one of them lacks.
func CompareRuns(a, b *Run) (both []Across, onlyA, onlyB []string) {
	var plain []Comparison
	for i := range b.Figures {
		f := &b.Figures[i]
		old := a.find(f.Key())
		switch {
		case f.control():
			continue
		case old == nil:
			onlyB = append(onlyB, f.Key())
			continue
		case old.Unit != f.Unit:
			onlyA, onlyB = append(onlyA, f.Key()+" in "+old.Unit), append(onlyB, f.Key()+" in "+f.Unit)
			continue
		}
		// Not measured in turn, whatever their groups are called.
		x, y := *f, *old
		x.Group, y.Group = "", ""
		noise, apart := max(a.Noise.OfFigure(f), b.Noise.OfFigure(f)), 0.0
		if f.Pace != nil || old.Pace != nil {
			// Each is told at its own run's pace, and that is known no better.
			apart = paces(a, b) * max(math.Abs(f.Follows), math.Abs(old.Follows))
		}
		c := Compare(&x, &y, max(noise, apart))
		c.Ratio = c.Ratio.doubting(apart / deviations)
		c.Figure, c.Baseline = f, old
		plain = append(plain, c)
	}
	for i := range a.Figures {
		if !a.Figures[i].control() && b.find(a.Figures[i].Key()) == nil {
			onlyA = append(onlyA, a.Figures[i].Key())
		}
	}
	Holm(plain)
	for _, c := range plain {
		both = append(both, Across{c, relative(a, b, c)})
	}
	return both, onlyA, onlyB
}

// InCommon reports whether two runs have a figure in common that [CompareRuns] compares.
func InCommon(a, b *Run) bool {
	return slices.ContainsFunc(b.Figures, func(f Figure) bool {
		old := a.find(f.Key())
		return !f.control() && old != nil && old.Unit == f.Unit
	})
}

// control reports whether a figure is there for others alone: the loop that is
// subtracted, and the second native measurement, which is the noise.
func (f *Figure) control() bool { return f.Subject == "harness" || f.Way == "native-again" }

// relative divides the two figures' ratios to their baselines, at the worst of both
// intervals.
func relative(a, b *Run, c Comparison) Summary {
	baseA, baseB := a.BaselineOf(c.Baseline), b.BaselineOf(c.Figure)
	if baseA == nil || baseB == nil {
		return Summary{}
	}
	was, is := Compare(c.Baseline, baseA, 0).Ratio, Compare(c.Figure, baseB, 0).Ratio
	r := Summary{N: min(was.N, is.N), Median: is.Median / was.Median, Lo: is.Lo / was.Hi, Hi: is.Hi / was.Lo,
		Least: is.Least / was.Most, Most: is.Most / was.Least}
	return r.doubting(paces(a, b) * follows(c.Figure, baseB) / deviations)
}

// paces is how far the paces of two runs may lie apart that each run knows of, relative.
func paces(a, b *Run) float64 { return math.Hypot(a.Noise.Pace, b.Noise.Pace) }

// follows is how much more, or less, a figure follows the machine's pace than another.
func follows(f, baseline *Figure) float64 { return math.Abs(f.Follows - baseline.Follows) }

// Words says what became of the figure.
func (a *Across) Words() string {
	c := a.Comparison
	base := *c.Baseline
	base.Way = "before"
	c.Baseline = &base
	return c.Words()
}
