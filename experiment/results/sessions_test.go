package results

import (
	"math"
	"math/rand/v2"
	"testing"
)

// A simulation is of a machine whose speed drifts, of processes that differ by where
// they lie, and of windows some of which are disturbed.
type simulation struct {
	rng                  *rand.Rand
	drift, place, window float64 // standard deviations, relative
	last                 float64
}

// session returns windows of one session around 100.
func (s *simulation) session(rounds int) (samples []float64) {
	const keep = 0.8 // of the drift, from session to session
	s.last = keep*s.last + math.Sqrt(1-keep*keep)*s.drift*s.rng.NormFloat64()
	place := s.place * s.rng.NormFloat64()
	for range rounds {
		v := 1 + s.last + place + s.window*s.rng.NormFloat64()
		if s.rng.IntN(4) == 0 {
			v += 3 * s.window * s.rng.ExpFloat64()
		}
		samples = append(samples, 100*v)
	}
	return samples
}

func (s *simulation) figure(sessions, rounds int) *Figure {
	f := &Figure{}
	s.last = s.drift * s.rng.NormFloat64()
	for range sessions {
		samples := s.session(rounds)
		f.Samples = append(f.Samples, samples...)
		f.Sessions = append(f.Sessions, Summarize(samples).Median)
	}
	return f
}

// Intervals hold the median of all sessions that could be as often as they say, also
// where sessions differ and where those that follow each other are alike. By the
// number of windows alone they would not.
func TestSessionsCover(t *testing.T) {
	for _, test := range []struct {
		what                 string
		drift, place, window float64
		sessions, rounds     int
	}{
		{"nothing but windows", 0, 0, 0.03, 40, 4},
		{"places", 0, 0.03, 0.03, 40, 4},
		{"places, few sessions", 0, 0.03, 0.03, 10, 50},
		{"places, many sessions", 0, 0.03, 0.03, 90, 4},
		{"drift", 0.015, 0.015, 0.03, 60, 4},
		{"drift, many sessions", 0.015, 0.015, 0.03, 90, 4},
	} {
		s := &simulation{rng: rand.New(rand.NewPCG(11, 12)), drift: test.drift, place: test.place, window: test.window}
		truth := Summarize(s.figure(40000, 4).Samples).Median
		const times = 600
		held, naive := 0, 0
		for range times {
			f := s.figure(test.sessions, test.rounds)
			if m := f.Summary(); m.Lo <= truth && truth <= m.Hi {
				held++
			}
			if m := Summarize(f.Samples); m.Lo <= truth && truth <= m.Hi {
				naive++
			}
		}
		t.Logf("%s: %.1f %%, %.1f %% by windows alone", test.what, 100*float64(held)/times, 100*float64(naive)/times)
		if share := float64(held) / times; share < 0.92 {
			t.Errorf("%s: intervals of 95 %% held the median in %.1f %% of cases", test.what, 100*share)
		}
		if share := float64(naive) / times; test.place > 0 && share > 0.92 {
			t.Errorf("%s: by windows alone it is %.1f %%: the test shows nothing", test.what, 100*share)
		}
	}
}

func TestDependence(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	free, bound := 0.0, 0.0
	const times = 200
	for range times {
		var a, b []float64
		last := 0.0
		for range 80 {
			x := rng.NormFloat64()
			last = 0.8*last + x
			a, b = append(a, x), append(b, last)
		}
		free += dependence(a) / times
		bound += dependence(b) / times
	}
	// Independent values: 1, or a little more for what chance adds. With 0.8 of the last
	// one in each the truth is 3, of which lags that end show two thirds.
	if free > 1.2 || bound < 1.9 || bound > 3 {
		t.Errorf("independent %.2f, dependent %.2f", free, bound)
	}
	if d := dependence([]float64{1, 2, 3, 4, 5, 6, 7, 8}); d != 1 {
		t.Errorf("of eight sessions: %v", d)
	}
	same := make([]float64, 30)
	if d := dependence(same); d != 1 {
		t.Errorf("of equal ones: %v", d)
	}
}
