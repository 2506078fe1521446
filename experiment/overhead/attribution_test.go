package overhead

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sysreflect/sysreflect/experiment/results"
)

// Where a null call is told by a mean, steps are of what is told: they sum up to the figure, and none
// is a median of what goes one of two ways.
func TestStepsOfMeans(t *testing.T) {
	rng := rand.New(rand.NewPCG(51, 52))
	r := &results.Run{}
	b := bench{run: r, mechanisms: []string{"trap"}}
	add := func(subject, way string, params map[string]string, value func() float64) *results.Figure {
		f := results.Figure{Subject: subject, Way: way, Params: params, Unit: "ns/op", Group: "calls"}
		for range 40 {
			for range 4 {
				f.Samples = append(f.Samples, value()+rng.NormFloat64())
			}
		}
		r.Figures = append(r.Figures, f)
		return &r.Figures[len(r.Figures)-1]
	}
	for i := range 40 {
		b.begins = append(b.begins, 4*i)
	}
	size := map[string]string{"bytes": "16"}
	add("getrandom", native, size, func() float64 { return 300 })
	add("getrandom", "trap", size, func() float64 { return 2700 })
	add(parts, "entry", nil, func() float64 { return 80 })
	add(parts, "signal", nil, func() float64 { return 2000 })
	add(parts, "no-signal", nil, func() float64 { return 200 })
	null := add("null", "trap", nil, func() float64 {
		if rng.IntN(10) < 3 { // which a median does not see
			return 1800
		}
		return 2200
	})
	null.Mean, null.Sessions = true, nil
	for i := range b.begins {
		null.Sessions = append(null.Sessions, results.Mean(null.Samples[4*i:4*i+4]))
	}
	b.attribute()
	f := r.Find("getrandom", "trap", size)
	told, sum := f.Summary().Median, 0.0
	steps := map[string]results.Step{}
	for _, s := range f.Steps {
		sum += s.Cost
		steps[s.Name] = s
		if s.Lo > s.Cost || s.Hi < s.Cost {
			t.Errorf("%+v", s)
		}
	}
	if math.Abs(sum-told) > 1e-6 {
		t.Errorf("steps take %v of %v: %+v", sum, told, f.Steps)
	}
	if work := steps["work"].Cost; math.Abs(work-(told-null.Summary().Median)) > 1e-6 || work < 590 {
		t.Errorf("the work takes %v: getrandom %v, a null call %v", work, told, null.Summary().Median)
	}
	if c := results.Compare(null, f, 0); math.Abs(c.Ratio.Median-null.Summary().Median/told) > 1e-9 || c.Ratio.Lo >= c.Ratio.Median || c.Ratio.Hi <= c.Ratio.Median {
		t.Errorf("ratio %+v, told %v and %v", c.Ratio, null.Summary().Median, told)
	}
}
