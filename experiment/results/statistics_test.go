package results

import (
	"math"
	"math/rand/v2"
	"testing"
)

// samples around a center, with a tail as timings have it.
func samples(rng *rand.Rand, n int, center float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = center * (1 + 0.01*rng.NormFloat64() + 0.02*rng.ExpFloat64())
	}
	return out
}

func TestSummarize(t *testing.T) {
	s := Summarize([]float64{5, 1, 4, 2, 3, 100, 6, 7, 8, 9})
	if s.Median != 5.5 || s.Least != 1 || s.Most != 100 || s.N != 10 {
		t.Errorf("%+v", s)
	}
	// The sign test's table: of ten samples the 2nd and the 9th.
	if s.Lo != 2 || s.Hi != 9 {
		t.Errorf("interval %v to %v, want 2 to 9", s.Lo, s.Hi)
	}
	if s := Summarize([]float64{1, 2, 3}); s.Lo != 1 || s.Hi != 3 {
		t.Errorf("three samples: %v to %v, want all of them", s.Lo, s.Hi)
	}
	if s := Summarize(nil); !math.IsNaN(s.Median) {
		t.Errorf("no samples: %v", s.Median)
	}
	in := []float64{3, 1, 2}
	Summarize(in)
	if in[0] != 3 {
		t.Error("the samples were sorted in place: their order is that of the rounds")
	}
}

// The interval holds the true median as often as it says, within what 2,000
// repetitions can tell.
func TestIntervalCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const times = 2000
	held := 0
	for range times {
		values := make([]float64, 30)
		for i := range values {
			values[i] = rng.ExpFloat64()
		}
		if s := Summarize(values); s.Lo <= math.Ln2 && math.Ln2 <= s.Hi {
			held++
		}
	}
	if share := float64(held) / times; share < 0.94 {
		t.Errorf("intervals of 95 %% held the median in %.1f %% of cases", 100*share)
	}
}

func run(figures ...Figure) *Run { return &Run{Schema: Schema, Figures: figures} }

func TestComparisons(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	r := run(
		Figure{Subject: "null", Way: "native", Unit: "ns/op", Samples: samples(rng, 60, 100)},
		Figure{Subject: "null", Way: "patch", Unit: "ns/op", Baseline: "native", Samples: samples(rng, 60, 50)},
		Figure{Subject: "null", Way: "same", Unit: "ns/op", Baseline: "native", Samples: samples(rng, 60, 100)},
		Figure{Subject: "null", Way: "lost", Unit: "ns/op", Baseline: "gone", Samples: samples(rng, 60, 100)},
	)
	r.Noise.Value = 0.01
	all := r.Comparisons()
	if len(all) != 2 {
		t.Fatalf("%d comparisons, want 2: one has no baseline, one none that was measured", len(all))
	}
	patch, same := all[0], all[1]
	if !patch.Significant() || math.Abs(patch.Ratio.Median-0.5) > 0.02 || math.Abs(patch.Difference.Median+50) > 3 {
		t.Errorf("patch: %+v", patch)
	}
	if same.Significant() {
		t.Errorf("two of one thing differ: %+v", same)
	}
}

// A difference that is significant but no larger than the noise is none.
func TestInsideTheNoise(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	a := Figure{Way: "a", Samples: samples(rng, 400, 100)}
	b := Figure{Way: "b", Samples: samples(rng, 400, 101.5)}
	c := Compare(&b, &a, 0.05)
	if c.Holm > 1e-6 {
		t.Fatalf("p %v: the test wants a difference that is sure", c.Holm)
	}
	if c.Significant() {
		t.Error("1.5 %, where the noise is 5 %, is a difference")
	}
	if c.Noise = 0.005; !c.Significant() {
		t.Error("1.5 %, where the noise is 0.5 %, is none")
	}
	wide := c
	if wide.Ratio.Lo = 0.99; wide.Significant() {
		t.Error("what may be none by its own interval is a difference")
	}
	b.Sessions = []float64{97, 107}
	if c = Compare(&b, &a, 0.005); c.Significant() {
		t.Error("1.5 %, where one of the two came out 5 % apart by itself, is a difference")
	}
}

// An interval holds what sessions came to, though no number of samples shows it.
func TestSessions(t *testing.T) {
	f := Figure{Group: "g", Samples: []float64{10, 10, 10, 10, 20, 20, 20, 20, 20}, Sessions: []float64{10, 20}}
	if s := f.Summary(); s.Lo != 10 || s.Hi != 20 {
		t.Errorf("%+v", s)
	}
	if math.Abs(f.Spread()-1.0/3) > 1e-9 {
		t.Errorf("spread %v", f.Spread())
	}
	// Of ten sessions one may be far off on either side, as by the sign test.
	many := Figure{Samples: []float64{10, 10, 10, 10, 10, 10}, Sessions: []float64{1, 9, 10, 10, 10, 10, 10, 10, 11, 90}}
	if s := many.Summary(); s.Lo != 9 || s.Hi != 11 || many.Spread() != 0.1 {
		t.Errorf("%+v, spread %v", s, many.Spread())
	}
	base := Figure{Group: "g", Samples: []float64{5, 5, 5, 5, 5, 5, 5, 5, 5}, Sessions: []float64{5, 5}}
	if c := Compare(&f, &base, 0); c.Ratio.Lo != 2 || c.Ratio.Hi != 4 || c.Difference.Lo != 5 || c.Difference.Hi != 15 {
		t.Errorf("%+v", c)
	}
}

// Rounds cancel what both have in common.
func TestPaired(t *testing.T) {
	a, b := Figure{Group: "g", Way: "a"}, Figure{Group: "g", Way: "b"}
	for i := range 40 {
		slow := 1 + float64(i%10)
		a.Samples = append(a.Samples, 100*slow)
		b.Samples = append(b.Samples, 110*slow)
	}
	if c := Compare(&b, &a, 0); math.Abs(c.Ratio.Lo-1.1) > 1e-9 || math.Abs(c.Ratio.Hi-1.1) > 1e-9 {
		t.Errorf("paired: %+v", c.Ratio)
	}
	// Where one has fewer rounds, those that both have count.
	short := Figure{Group: "g", Way: "b", Samples: b.Samples[:20], Sessions: []float64{10, 20}}
	long := a
	long.Sessions = []float64{5, 20, 70}
	for range 20 {
		long.Samples = append(long.Samples, 7e5)
	}
	c := Compare(&short, &long, 0)
	if c.Ratio.N != 20 || math.Abs(c.Ratio.Median-1.1) > 1e-9 || c.Ratio.Lo != 1 || c.Ratio.Hi != 2 {
		t.Errorf("of unequal numbers: %+v", c.Ratio)
	}
	b.Group = "other"
	if c := Compare(&b, &a, 0); c.Ratio.Lo > 1 || c.Ratio.Hi < 1.2 {
		t.Errorf("not paired: %+v, want the width of both", c.Ratio)
	}
}

// Holm's own example has p-values 0.01, 0.04, 0.03 and 0.005.
func TestHolm(t *testing.T) {
	all := []Comparison{{P: 0.01}, {P: 0.04}, {P: 0.03}, {P: 0.005}}
	Holm(all)
	for i, want := range []float64{0.03, 0.06, 0.06, 0.02} {
		if math.Abs(all[i].Holm-want) > 1e-12 {
			t.Errorf("p %v: corrected %v, want %v", all[i].P, all[i].Holm, want)
		}
	}
}

// Of runs in which nothing differs, about one in twenty has any difference at
// all; without correction it would be two in three.
func TestFamily(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	const runs = 300
	wrong, uncorrected := 0, 0
	for range runs {
		base := Figure{Subject: "null", Way: "native", Samples: samples(rng, 25, 100)}
		r := run(base)
		for i := range 20 {
			r.Figures = append(r.Figures, Figure{Subject: "null", Way: string(rune('a' + i)), Baseline: "native", Samples: samples(rng, 25, 100)})
		}
		any, plain := false, false
		for _, c := range r.Comparisons() {
			any = any || c.Holm < 1-Confidence
			plain = plain || c.P < 1-Confidence
		}
		if any {
			wrong++
		}
		if plain {
			uncorrected++
		}
	}
	// 15 are expected at most; 30 is beyond four standard deviations.
	if wrong > 30 {
		t.Errorf("%d of %d runs without a difference found one", wrong, runs)
	}
	if uncorrected < 2*wrong+30 {
		t.Errorf("%d runs without correction, %d with: the test shows nothing", uncorrected, wrong)
	}
}
