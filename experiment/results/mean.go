package results

import (
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"
)

const (
	// outer is the share of values, of the least and of the greatest each, that a mean leaves out:
	// what was disturbed. Of what goes one of two ways a larger share would make it the median
	// again, which is one of them, now this, now that.
	outer = 0.05
	// leastMean values give an interval of their mean.
	leastMean = 8
)

// Mean is the mean of values but for the outer twentieths (the 5 % trimmed mean; of less than
// 20 values, the mean of all). Of what goes one of two ways it says what share each has.
func Mean(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	return mean(inner(slices.Sorted(slices.Values(values))))
}

func inner(sorted []float64) []float64 {
	cut := int(outer * float64(len(sorted)))
	return sorted[cut : len(sorted)-cut]
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// IsMean reports whether a figure is told by such a mean, and not by a median.
func (f *Figure) IsMean() bool { return f.Mean && len(f.Sessions) >= leastMean }

// overMean summarizes a figure by that mean of its sessions' values, with the interval of Yuen
// (1974): Student's t, with the variance of values whose outer ones are pulled in. It is
// wider where sessions that follow each other are alike.
func overMean(sessions []float64) (center, half float64) {
	n := len(sessions)
	sorted := slices.Sorted(slices.Values(sessions))
	kept := inner(sorted)
	center = mean(kept)
	cut := (n - len(kept)) / 2
	for i := range cut {
		sorted[i], sorted[n-1-i] = kept[0], kept[len(kept)-1]
	}
	m, squares := mean(sorted), 0.0
	for _, v := range sorted {
		squares += (v - m) * (v - m)
	}
	deviation := math.Sqrt(squares / float64(n-1))
	se := deviation / (float64(len(kept)) / float64(n) * math.Sqrt(float64(n)))
	t := stats.InvCDF(stats.TDist{V: float64(len(kept) - 1)})((1 + Confidence) / 2)
	return center, t * se * dependence(sessions)
}

// byMean replaces what a summary says of the median.
func (s Summary) byMean(sessions []float64) Summary {
	center, half := overMean(sessions)
	s.Median, s.Lo, s.Hi = center, center-half, center+half
	return s
}
