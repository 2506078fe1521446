package results

import (
	"cmp"
	"math"
	"slices"
)

// Summary summarizes the figure's samples. Its interval holds the one that the
// medians of sessions give: samples of one session have their place in memory and
// on processors in common, and an interval by their number alone would be too sure.
func (f *Figure) Summary() Summary {
	if f.IsMean() {
		return Summarize(f.Samples).byMean(f.Sessions).doubting(f.Doubt)
	}
	return Summarize(f.Samples).holding(f.Sessions).doubting(f.Doubt)
}

const deviations = 1.96 // that hold 95 %

// doubting widens the interval by a relative standard error that has nothing to do with
// what made it.
func (s Summary) doubting(relative float64) Summary {
	d := deviations * relative * s.Median
	s.Lo, s.Hi = s.Median-math.Hypot(s.Median-s.Lo, d), s.Median+math.Hypot(s.Hi-s.Median, d)
	return s
}

func (s Summary) holding(medians []float64) Summary {
	if len(medians) > 1 {
		m := overSessions(medians)
		s.Lo, s.Hi = math.Min(s.Lo, m.Lo), math.Max(s.Hi, m.Hi)
	}
	return s
}

// Spread is how far this figure came out apart by itself, relative: half of the
// interval that the medians of sessions give.
func (f *Figure) Spread() float64 {
	if len(f.Sessions) < 2 {
		return 0
	}
	if f.IsMean() {
		center, half := overMean(f.Sessions)
		return half / math.Abs(center)
	}
	return overSessions(f.Sessions).HalfWidth()
}

// overSessions summarizes the medians of sessions. Where sessions that follow each
// other are alike, since the machine goes faster and slower over seconds, they say
// less than so many that are independent, and the interval is wider by that.
func overSessions(medians []float64) Summary {
	m := Summarize(medians)
	k := dependence(medians)
	m.Lo, m.Hi = m.Median-k*(m.Median-m.Lo), m.Median+k*(m.Hi-m.Median)
	return m
}

// dependence is how many times wider an interval is by values that depend on those
// before them than by independent ones: the root of 1 + 2 Σ of autocorrelations,
// with Bartlett's weights (Newey and West 1987), of the values' ranks, so that
// single far ones count for nothing. That is too little where there are few values
// for so many lags, by what Kiefer and Vogelsang (2005) give. Never less than 1.
func dependence(values []float64) float64 {
	n := len(values)
	if n < 20 { // few values don't tell
		return 1
	}
	ranks := ranked(values)
	mean := float64(n-1) / 2
	all := 0.0
	for _, r := range ranks {
		all += (r - mean) * (r - mean)
	}
	if all == 0 {
		return 1
	}
	sum, lags := 1.0, min(10, n/10)
	for lag := 1; lag <= lags; lag++ {
		c := 0.0
		for i := lag; i < n; i++ {
			c += (ranks[i] - mean) * (ranks[i-lag] - mean)
		}
		sum += 2 * (1 - float64(lag)/float64(lags+1)) * c / all
	}
	few := 1 + 1.5*float64(lags)/float64(n)
	return max(1, few*math.Sqrt(max(0, sum)))
}

// ranked gives each value the number of those that are less; equal ones share the
// middle of theirs.
func ranked(values []float64) []float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	ranks := make([]float64, len(values))
	for i := 0; i < len(order); {
		j := i + 1
		for j < len(order) && values[order[j]] == values[order[i]] {
			j++
		}
		for _, k := range order[i:j] {
			ranks[k] = float64(i+j-1) / 2
		}
		i = j
	}
	return ranks
}
