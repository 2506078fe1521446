package results

import (
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"
)

// wider is what the interval lacks where values are of two ways, and a quartile jumps from one to the
// other: simulated, 91 % of such intervals held in place of 95.
const wider = 1.15

// leastMiddle values give an interval of their middle's mean.
const leastMiddle = 8

// Middle is the mean of the middle half of values (the 25 % trimmed mean). Of what goes
// one of two ways it says what share each has, where a median would be one of them.
func Middle(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return mean(inner(sorted))
}

func inner(sorted []float64) []float64 {
	cut := len(sorted) / 4
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
func (f *Figure) IsMean() bool { return f.Middle && len(f.Sessions) >= leastMiddle }

// overMiddle summarizes a figure by that mean of its sessions' values, with the interval of Yuen
// (1974): Student's t, with the variance of values whose outer quarters are pulled in. It is
// wider where sessions that follow each other are alike.
func overMiddle(sessions []float64) (center, half float64) {
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
	return center, wider * t * se * dependence(sessions)
}

// byMiddle replaces what a summary says of the median.
func (s Summary) byMiddle(sessions []float64) Summary {
	center, half := overMiddle(sessions)
	s.Median, s.Lo, s.Hi = center, center-half, center+half
	return s
}
