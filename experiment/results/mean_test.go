package results

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestMean(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{7}, 7},
		{[]float64{3, 1}, 2},
		{[]float64{9, 1, 2}, 4},
		{[]float64{1000, 1, 2, 3}, 251.5},
		{[]float64{8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 2, 6, -1e9, 1e9}, 80.0 / 18},
	} {
		if got := Mean(test.values); got != test.want {
			t.Errorf("Mean(%v) = %v, not %v", test.values, got, test.want)
		}
	}
	if !math.IsNaN(Mean(nil)) {
		t.Error("nothing has a mean")
	}
	few := Figure{Samples: []float64{1, 2, 3, 4, 5, 6, 7, 8}, Sessions: []float64{1, 2, 3, 4, 5, 6, 7}, Mean: true}
	if s := few.Summary(); s.Median != 4.5 || s.Lo != 1 {
		t.Errorf("few sessions: %+v", s)
	}
	many := Figure{Samples: []float64{0, 10, 50}, Sessions: []float64{10, 10, 10, 10, 20, 20, 20, 20, 20, 20}, Mean: true}
	if s := many.Summary(); math.Abs(s.Median-16) > 1e-9 || s.Least != 0 || s.Most != 50 || s.N != 3 || s.Lo >= s.Median || s.Hi <= s.Median {
		t.Errorf("%+v", s)
	}
	base := Figure{Samples: []float64{5, 5, 5}, Sessions: []float64{5, 5, 5, 5, 5, 5, 5, 5, 5, 5}}
	many.Group, base.Group = "calls", "calls"
	if c := Compare(&many, &base, 0); math.Abs(c.Ratio.Median-3.2) > 1e-9 || math.Abs(c.Difference.Median-11) > 1e-9 {
		t.Errorf("ratio %v, difference %v", c.Ratio, c.Difference)
	}
}

// Intervals hold what they should where calls go one of two ways, a fifth apart: now this, now
// that within a session, as processes have it, or with a machine that drifts, too. That of the median
// would be wider.
func TestMeanCovers(t *testing.T) {
	for _, test := range []struct {
		what              string
		share, own, drift float64
		sessions          int
	}{
		{"all sessions alike", 0.5, 0, 0, 40},
		{"sessions have their own share", 0.5, 0.4, 0, 40},
		{"few sessions", 0.5, 0.4, 0, 10},
		{"many sessions, one way seldom", 0.15, 0.2, 0, 200},
		{"drift", 0.5, 0.4, 0.02, 60},
	} {
		rng := rand.New(rand.NewPCG(31, 32))
		last := 0.0
		figure := func(sessions int) *Figure {
			f := &Figure{Mean: true}
			last = test.drift * rng.NormFloat64()
			for range sessions {
				last = 0.8*last + 0.6*test.drift*rng.NormFloat64()
				share := min(1, max(0, test.share+test.own*rng.NormFloat64()))
				var rounds []float64
				for range 4 {
					var windows []float64
					for range 5 {
						v := 100 * (1 + last + 0.01*rng.NormFloat64())
						if rng.Float64() < share {
							v *= 1.2
						}
						windows = append(windows, v)
					}
					slices.Sort(windows) // of a round the middle half counts
					rounds = append(rounds, mean(windows[1:4]))
				}
				f.Samples = append(f.Samples, rounds...)
				f.Sessions = append(f.Sessions, Mean(rounds))
			}
			return f
		}
		truth := figure(100000).Summary().Median
		const times = 600
		held, wide, median := 0, 0.0, 0.0
		for range times {
			f := figure(test.sessions)
			s := f.Summary()
			if s.Lo <= truth && truth <= s.Hi {
				held++
			}
			wide += s.HalfWidth() / times
			f.Mean = false
			median += f.Summary().HalfWidth() / times
		}
		share := float64(held) / times
		t.Logf("%s: %.1f %% held, ± %.2f %% wide; by the median ± %.2f %%", test.what, 100*share, 100*wide, 100*median)
		if share < 0.92 {
			t.Errorf("%s: intervals of 95 %% held it in %.1f %% of cases", test.what, 100*share)
		}
		if wide > median && test.share == 0.5 && test.sessions >= 40 {
			t.Errorf("%s: ± %.2f %%, by the median ± %.2f %%", test.what, 100*wide, 100*median)
		}
	}
}
