package results

import (
	"math"
	"slices"
)

// A Pace is how long a machine took, from round to round, for what it did beside: 1 is
// what it took in the median of those rounds that all figures have. Frequencies and neighbours change it over
// seconds by more than what processes differ by, for all figures nearly alike, so a figure
// can be told as it is at one pace of the run ([Pace.Steady]), which is known far better than what
// the figure would have been in the mean of all hours. It is that of the rounds that all have, since
// a figure that ended early says little of a pace that it never saw.
//
// It is estimated from figures of the same rounds, as a two-way table is (Tukey's median
// polish): each has a median, each round a factor, and neither follows single far ones.
type Pace struct {
	levels []float64 // of figures, logarithms
	left   [][]float64
	// rounds are the figures' samples over their levels, logarithms, in order.
	rounds [][]float64
	center float64
}

const (
	// Fewer figures say more about themselves than about the machine.
	leastOfPace = 6
	// How far figures follow the machine's pace apart: by these doubts a figure's own
	// regression counts against following it entirely.
	followsApart = 0.5
)

// PaceOf estimates the pace from what figures took in rounds, each from the first on: all
// of it, with the loops around. It is nil where too few figures tell.
func PaceOf(figures [][]float64) *Pace {
	p := &Pace{}
	n := 0
	for _, samples := range figures {
		logs := logarithms(samples)
		n = max(n, len(logs))
		p.left = append(p.left, logs)
	}
	if len(figures) < leastOfPace {
		return nil
	}
	p.levels = make([]float64, len(figures))
	factors := make([]float64, n)
	var column []float64
	// Figures that end early have seen another pace: their levels follow from the factors,
	// and the factors from the levels.
	const most, enough = 12, 1e-4
	for range most {
		for k, logs := range p.left {
			column = column[:0]
			for i, v := range logs {
				column = append(column, v-factors[i])
			}
			p.levels[k] = middle(column)
		}
		moved := 0.0
		for i := range factors {
			column = column[:0]
			for k, logs := range p.left {
				if i < len(logs) {
					column = append(column, logs[i]-p.levels[k])
				}
			}
			f := middle(column)
			moved = max(moved, math.Abs(f-factors[i]))
			factors[i] = f
		}
		if moved < enough {
			break
		}
	}
	p.rounds = make([][]float64, n)
	for i := range p.rounds {
		for k, logs := range p.left {
			if i < len(logs) {
				p.rounds[i] = append(p.rounds[i], logs[i]-p.levels[k])
			}
		}
		slices.Sort(p.rounds[i])
	}
	common := n
	for _, logs := range p.left {
		if len(logs) > 0 {
			common = min(common, len(logs))
		}
	}
	p.center = middle(slices.Clone(factors[:common]))
	return p
}

// Rounds are the factors of all rounds.
func (p *Pace) Rounds() []float64 {
	if p == nil {
		return nil
	}
	out := make([]float64, len(p.rounds))
	for i, r := range p.rounds {
		out[i] = math.Exp(middleOf(r) - p.center)
	}
	return out
}

// leastRounds tell how a figure follows the pace: a line goes through any two of them.
const leastRounds = 8

// Steady returns for each sample of a figure what it is to be divided by, with four
// digits behind the point, how much the figure follows the pace, and by how much it may be
// wrong for that, relative. of is its place among those that the pace was estimated from, or -1: it has no part in
// what it is divided by itself, since it would hide its own errors.
//
// Not all follow the machine alike: some wait for memory, some for a processor to wake. How
// much this one does is a regression on the others' pace, in logarithms.
func (p *Pace) Steady(samples []float64, of int) (by []float64, follows, wrong float64) {
	if p == nil || len(samples) > len(p.rounds) || len(samples) < leastRounds {
		return nil, 0, 0
	}
	pace := make([]float64, len(samples))
	for i := range pace {
		r := p.rounds[i]
		own := len(r)
		if of >= 0 {
			own, _ = slices.BinarySearch(r, p.left[of][i]-p.levels[of])
		}
		if len(r) < leastOfPace {
			return nil, 0, 0
		}
		pace[i] = middleWithout(r, own) - p.center
	}
	follows, doubt := regression(logarithms(samples), pace)
	by = make([]float64, len(samples))
	for i, v := range pace {
		by[i] = math.Round(1e4*math.Exp(follows*v)) / 1e4
	}
	return by, follows, doubt * math.Abs(middle(pace))
}

// regression says how much values follow others, and the standard error of that. What
// lies far out is drawn to three deviations; the slope is drawn to 1 by how much it is in doubt.
func regression(values, others []float64) (slope, doubt float64) {
	y, x := drawn(values), drawn(others)
	var xx, xy float64
	for i := range x {
		xx += x[i] * x[i]
		xy += x[i] * y[i]
	}
	if xx == 0 {
		return 1, followsApart
	}
	slope = xy / xx
	var rest float64
	for i := range x {
		d := y[i] - slope*x[i]
		rest += d * d
	}
	variance := rest / float64(max(1, len(x)-2)) / xx
	weight := followsApart * followsApart / (followsApart*followsApart + variance)
	return 1 + weight*(slope-1), math.Sqrt(weight * variance)
}

// drawn are values beside their median, those that lie farther than three deviations
// drawn there.
func drawn(values []float64) []float64 {
	m := middle(slices.Clone(values))
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = math.Abs(v - m)
	}
	far := 3 * 1.4826 * middle(out)
	for i, v := range values {
		out[i] = min(far, max(-far, v-m))
	}
	return out
}

func logarithms(samples []float64) []float64 {
	out := make([]float64, len(samples))
	for i, v := range samples {
		out[i] = math.Log(max(v, 1e-9))
	}
	return out
}

// middle is the median; it sorts what it is given.
func middle(values []float64) float64 {
	slices.Sort(values)
	return middleOf(values)
}

func middleOf(sorted []float64) float64 {
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// middleWithout is the median of sorted values less the one at i; of all, if there is none.
func middleWithout(sorted []float64, i int) float64 {
	n := len(sorted)
	if i >= n {
		return middleOf(sorted)
	}
	at := func(k int) float64 {
		if k >= i {
			k++
		}
		return sorted[k]
	}
	return (at((n-2)/2) + at((n-1)/2)) / 2
}
