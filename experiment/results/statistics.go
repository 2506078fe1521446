package results

import (
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

// Confidence is that of all intervals, and 1-Confidence the chance of calling
// anything a difference, in the whole of a run, that is none.
const Confidence = 0.95

// A Summary is what is said of samples in place of showing them.
type Summary struct {
	N           int
	Median      float64
	Lo, Hi      float64 // hold the median with 95 % confidence
	Least, Most float64
}

// LeastSamples give an interval of 95 % (1 - 2/2^6 is 97 %).
const LeastSamples = 6

// Summarize returns a Summary of samples. With fewer than [LeastSamples] no interval reaches
// 95 %: then it is from the least to the most.
func Summarize(samples []float64) Summary {
	if len(samples) == 0 {
		nan := math.NaN()
		return Summary{0, nan, nan, nan, nan, nan}
	}
	// NewSample sorts what it is given.
	s := benchmath.NewSample(slices.Clone(samples), &benchmath.DefaultThresholds)
	m := benchmath.AssumeNothing.Summary(s, Confidence)
	least, most := s.Values[0], s.Values[len(s.Values)-1]
	return Summary{len(samples), m.Center, math.Max(m.Lo, least), math.Min(m.Hi, most), least, most}
}

// HalfWidth is half of the interval, relative to the median.
func (s Summary) HalfWidth() float64 { return (s.Hi - s.Lo) / 2 / math.Abs(s.Median) }

// Quantile is what so large a share of samples does not exceed.
func Quantile(samples []float64, share float64) float64 {
	if len(samples) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

// A Comparison is what one figure is against another.
type Comparison struct {
	Figure, Baseline *Figure
	// Ratio of the two and Difference between them, both with their intervals.
	Ratio, Difference Summary
	// P is the chance of samples that are so far apart if nothing differs (the
	// Mann-Whitney U-test), Holm the same among as many comparisons as were made.
	P, Holm float64
	// Noise is what the machine made of no difference at all, relative: in general, or
	// of one of the two when that was measured anew.
	Noise float64
}

// Significant reports whether there is a difference: one that chance alone does
// not explain, that the noise of the machine does not either, and whose interval does not
// hold that there is none.
func (c *Comparison) Significant() bool {
	return c.Holm < 1-Confidence && math.Abs(c.Ratio.Median-1) > c.Noise && (c.Ratio.Lo > 1 || c.Ratio.Hi < 1)
}

// Compare compares two figures, as if it were the only comparison.
func Compare(f, baseline *Figure, noise float64) Comparison {
	c := Comparison{Figure: f, Baseline: baseline, Noise: max(noise, f.Spread(), baseline.Spread()), P: 1, Holm: 1}
	if len(f.Samples) == 0 || len(baseline.Samples) == 0 {
		c.Ratio, c.Difference = Summarize(nil), Summarize(nil)
		return c
	}
	a := benchmath.NewSample(slices.Clone(f.Samples), &benchmath.DefaultThresholds)
	b := benchmath.NewSample(slices.Clone(baseline.Samples), &benchmath.DefaultThresholds)
	c.P = benchmath.AssumeNothing.Compare(a, b).P
	c.Holm = c.P
	over := func(a, b float64) float64 { return a / b }
	if f.IsMean() || baseline.IsMean() {
		// Not of the same rounds: those that count for a mean are not all.
		x, y := f.Summary(), baseline.Summary()
		c.Ratio, c.Difference = x.Over(y, combine(f, baseline, over)), x.Less(y, combine(f, baseline, difference))
		return c
	}
	both := func(op func(a, b float64) float64) Summary {
		return combine(f, baseline, op).holding(bySession(f, baseline, op))
	}
	c.Ratio, c.Difference = both(over), both(difference)
	if f.Group != "" && f.Group == baseline.Group { // else both their intervals have it
		c.Ratio = c.Ratio.doubting(math.Hypot(f.Doubt, baseline.Doubt))
	}
	return c
}

// Over is what is told of a as a multiple of what is told of b, with an interval for two
// independent errors; samples are those of rounds.
func (a Summary) Over(b, samples Summary) Summary {
	r := a.Median / b.Median
	lo := math.Hypot((a.Median-a.Lo)/a.Median, (b.Hi-b.Median)/b.Median)
	hi := math.Hypot((a.Hi-a.Median)/a.Median, (b.Median-b.Lo)/b.Median)
	samples.Median, samples.Lo, samples.Hi = r, r-math.Abs(r)*lo, r+math.Abs(r)*hi
	return samples
}

// Less is what is told of a less what is told of b, in the same way.
func (a Summary) Less(b, samples Summary) Summary {
	d := a.Median - b.Median
	samples.Median, samples.Lo, samples.Hi = d, d-math.Hypot(a.Median-a.Lo, b.Hi-b.Median), d+math.Hypot(a.Hi-a.Median, b.Median-b.Lo)
	return samples
}

func difference(a, b float64) float64 { return a - b }

// bySession combines the medians of sessions that both have in common.
func bySession(f, baseline *Figure, op func(a, b float64) float64) (medians []float64) {
	if f.Group == "" || f.Group != baseline.Group || len(f.Sessions) == 0 || len(baseline.Sessions) == 0 {
		return nil
	}
	for i := range min(len(f.Sessions), len(baseline.Sessions)) {
		medians = append(medians, op(f.Sessions[i], baseline.Sessions[i]))
	}
	return medians
}

// combine takes the rounds together that both have, where there are any; else the interval is that of
// both, at their worst.
func combine(f, baseline *Figure, op func(a, b float64) float64) Summary {
	if n := min(len(f.Samples), len(baseline.Samples)); f.Group != "" && f.Group == baseline.Group {
		both := make([]float64, n)
		for i := range both {
			both[i] = op(f.Samples[i], baseline.Samples[i])
		}
		return Summarize(both)
	}
	a, b := f.Summary(), baseline.Summary()
	return Summary{min(a.N, b.N), op(a.Median, b.Median), op(a.Lo, b.Hi), op(a.Hi, b.Lo), op(a.Least, b.Most), op(a.Most, b.Least)}
}

// Comparisons compares each figure that has a baseline with it, in the order of
// the figures, and corrects for their number.
func (r *Run) Comparisons() []Comparison {
	var all []Comparison
	for i := range r.Figures {
		f := &r.Figures[i]
		if b := r.BaselineOf(f); b != nil && b != f {
			all = append(all, Compare(f, b, r.Noise.OfFigure(f)))
		}
	}
	Holm(all)
	return all
}

// Holm corrects the p-values of comparisons for their number: the smallest counts
// as often as there are comparisons, the next once less, and none less than one
// before it (Holm 1979). It holds whatever the comparisons have in common.
func Holm(all []Comparison) {
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case all[a].P < all[b].P:
			return -1
		case all[a].P > all[b].P:
			return 1
		}
		return 0
	})
	least := 0.0
	for rank, i := range order {
		least = max(least, min(1, all[i].P*float64(len(all)-rank)))
		all[i].Holm = least
	}
}
