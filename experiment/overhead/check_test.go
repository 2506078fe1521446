package overhead

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sysreflect/sysreflect/experiment/results"
)

// A machine that is slower in the second run by a tenth makes no disagreement of a figure
// that follows it more than the native call does; more than that is one, and so is what
// follows it alike.
func TestDisagreePace(t *testing.T) {
	one := func(slower float64, more map[string]float64) *results.Run {
		rng := rand.New(rand.NewPCG(41, uint64(100*slower)))
		r := &results.Run{Schema: results.Schema}
		r.Noise.Value, r.Noise.Pace = 0.005, 0.02
		for _, w := range []struct {
			way     string
			follows float64
		}{{native, 1}, {"patch", 2}, {"trap", 1}} {
			f := results.Figure{Subject: "null", Way: w.way, Unit: "ns/op", Group: "calls", Follows: w.follows}
			if w.way != native {
				f.Baseline = native
			}
			for range 60 {
				var session []float64
				for range 4 {
					session = append(session, 100*(1+w.follows*slower+more[w.way])*(1+0.02*rng.NormFloat64()))
				}
				f.Samples = append(f.Samples, session...)
				f.Sessions = append(f.Sessions, results.Summarize(session).Median)
			}
			r.Figures = append(r.Figures, f)
		}
		return r
	}
	for _, test := range []struct {
		slower float64
		more   map[string]float64
		want   string
	}{
		{0, nil, ""},
		{0.1, nil, ""},
		{0, map[string]float64{"patch": 0.1}, "null/patch"},
		{0.1, map[string]float64{"patch": 0.2}, "null/patch"},
		{0.1, map[string]float64{"trap": 0.1}, "null/trap"},
	} {
		got := fmt.Sprint(Disagree(one(0, nil), one(test.slower, test.more)))
		if test.want == "" && got != "[]" || !strings.Contains(got, test.want) || strings.Count(got, "null/") > 1 {
			t.Errorf("%v slower, %v more: %s, want %q", test.slower, test.more, got, test.want)
		}
	}
}
