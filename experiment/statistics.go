package experiment

import (
	"fmt"

	"github.com/sysreflect/sysreflect/experiment/results"
)

// median of values, which must not be empty.
func median(values []float64) float64 { return results.Summarize(values).Median }

// interval is where the median lies with 95 % confidence, whatever the values'
// distribution.
func interval(values []float64) (lo, hi float64) {
	s := results.Summarize(values)
	return s.Lo, s.Hi
}

// paired combines the values of two series, round by round.
func paired(a, b []float64, f func(a, b float64) float64) []float64 {
	n := min(len(a), len(b))
	out := make([]float64, n)
	for i := range out {
		out[i] = f(a[i], b[i])
	}
	return out
}

func difference(a, b float64) float64 { return a - b }
func ratio(a, b float64) float64      { return a / b }

// A Verdict says whether a target is reached, and how surely.
type Verdict string

// Close verdicts lie on their side by less than the measurement's uncertainty.
const (
	Met         Verdict = "met"
	Missed      Verdict = "missed"
	MetClose    Verdict = "met, by less than the uncertainty"
	MissedClose Verdict = "missed, by less than the uncertainty"
	Same        Verdict = "met: no difference beyond the noise"
	Unclear     Verdict = "undecided: the machine is too noisy"
)

// judge compares what was measured with a limit.
func judge(values []float64, limit float64) Verdict {
	m := median(values)
	lo, hi := interval(values)
	switch {
	case hi <= limit:
		return Met
	case lo > limit:
		return Missed
	case m <= limit:
		return MetClose
	}
	return MissedClose
}

// judgeEqual compares with a limit that is a floor: no less can be reached, so
// what two measurements of one thing differ by is granted. worth is a difference
// that would matter; where the noise hides that, nothing was learnt.
func judgeEqual(values []float64, noise, worth float64) Verdict {
	_, hi := interval(values)
	switch {
	case hi <= 0:
		return Met
	case noise > worth:
		return Unclear
	case median(values) <= noise:
		return Same
	}
	return Missed
}

// A Unit prints nanoseconds.
type Unit struct {
	Name   string
	Size   float64 // in nanoseconds
	Digits int
}

// Units of the tables.
var (
	Milliseconds = Unit{"ms", 1e6, 3}
	Microseconds = Unit{"µs", 1e3, 1}
	Fine         = Unit{"µs", 1e3, 2}
	Nanoseconds  = Unit{"ns", 1, 1}
)

func (u Unit) String(ns float64) string {
	return fmt.Sprintf("%.*f %s", u.Digits, ns/u.Size, u.Name)
}

func (u Unit) signed(ns float64) string {
	return fmt.Sprintf("%+.*f %s", u.Digits, ns/u.Size, u.Name)
}
