package results

import (
	"math"
	"math/rand/v2"
	"testing"
)

// A drifting machine, by rounds: it goes faster and slower, over seconds and at once, and each
// figure follows it more or less.
type drifting struct {
	rng     *rand.Rand
	drift   float64
	follows []float64
	slow    float64
	step    float64
}

func drifter(rng *rand.Rand, figures int, drift, apart float64) *drifting {
	d := &drifting{rng: rng, drift: drift, slow: drift * rng.NormFloat64()}
	for range figures {
		d.follows = append(d.follows, 1+apart*rng.NormFloat64())
	}
	return d
}

// run simulates sessions of four rounds; figures from early on end after 24 sessions.
// It returns samples around 100, and what the machine's pace was in each round.
func (d *drifting) run(sessions, early int, place, window float64) (samples [][]float64, pace []float64) {
	const rounds = 4
	samples = make([][]float64, len(d.follows))
	for s := range sessions {
		places := make([]float64, len(samples))
		for k := range places {
			places[k] = place * d.rng.NormFloat64()
		}
		if d.rng.IntN(25) == 0 { // another neighbour
			d.step = d.drift * d.rng.NormFloat64()
		}
		for range rounds {
			d.slow = 0.9*d.slow + math.Sqrt(1-0.81)*d.drift*d.rng.NormFloat64()
			pace = append(pace, d.slow+d.step)
			for k := range samples {
				if k >= early && s >= 24 {
					continue
				}
				v := d.follows[k]*(d.slow+d.step) + places[k] + window*d.rng.NormFloat64()
				if d.rng.IntN(4) == 0 {
					v += 2 * window * d.rng.ExpFloat64()
				}
				samples[k] = append(samples[k], 100*math.Exp(v))
			}
		}
	}
	return samples, pace
}

// shift is the median of what windows and places of the simulation add.
func shift(rng *rand.Rand, place, window float64) float64 {
	d := drifter(rng, 1, 0, 0)
	samples, _ := d.run(40000, 1, place, window)
	return math.Log(Summarize(samples[0]).Median / 100)
}

func figureOf(samples []float64, by []float64) *Figure {
	f := &Figure{}
	for i, v := range samples {
		if by != nil {
			v /= by[i]
		}
		f.Samples = append(f.Samples, v)
	}
	for i := 0; i < len(samples); i += 4 {
		f.Sessions = append(f.Sessions, Summarize(f.Samples[i:i+4]).Median)
	}
	return f
}

// At one pace of the run figures are known far better than by themselves where the machine
// drifts, no worse where it does not, and their intervals hold what they take at that
// pace: also of those that ended early, of those that follow it more or less, and where few tell.
func TestPaceCovers(t *testing.T) {
	for _, test := range []struct {
		what                                 string
		figures, sessions                    int
		drift, apart, place, window, narrows float64
	}{
		{"a drifting machine", 40, 50, 0.05, 0.25, 0.01, 0.04, 0.5},
		{"few figures", 10, 50, 0.05, 0.25, 0.01, 0.04, 0.6},
		{"few sessions", 40, 24, 0.05, 0.25, 0.01, 0.04, 0.5},
		{"one that goes astray", 40, 50, 0.12, 0.4, 0.02, 0.04, 0.5},
		{"a steady machine", 40, 50, 0.002, 0.25, 0.01, 0.04, 1.05},
		{"places", 40, 50, 0.03, 0.25, 0.04, 0.03, 0.9},
		{"places, few figures", 8, 50, 0.03, 0.25, 0.04, 0.03, 0.9},
	} {
		rng := rand.New(rand.NewPCG(31, 32))
		add := shift(rng, test.place, test.window)
		const times = 60
		held, all, naive := 0, 0, 0
		var width, before float64
		for range times {
			d := drifter(rng, test.figures, test.drift, test.apart)
			early := test.figures * 3 / 5
			samples, true_ := d.run(test.sessions, early, test.place, test.window)
			pace := PaceOf(samples)
			typical := middle(true_[:min(len(true_), 4*24)])
			for k := range samples {
				truth := 100 * math.Exp(d.follows[k]*typical+add)
				by, _, doubt := pace.Steady(samples[k], k)
				f := figureOf(samples[k], by)
				f.Doubt = doubt
				s := f.Summary()
				plain := figureOf(samples[k], nil).Summary()
				if all++; s.Lo <= truth && truth <= s.Hi {
					held++
				}
				if plain.Lo <= truth && truth <= plain.Hi {
					naive++
				}
				width += s.HalfWidth()
				before += plain.HalfWidth()
			}
		}
		share := float64(held) / float64(all)
		t.Logf("%s: %.1f %% held, ± %.2f %%; by themselves %.1f %%, ± %.2f %%", test.what, 100*share, 100*width/float64(all),
			100*float64(naive)/float64(all), 100*before/float64(all))
		if share < 0.93 {
			t.Errorf("%s: intervals of 95 %% held in %.1f %% of cases", test.what, 100*share)
		}
		if width > test.narrows*before {
			t.Errorf("%s: ± %.2f %%, by themselves ± %.2f %%", test.what, 100*width/float64(all), 100*before/float64(all))
		}
	}
}

// Where few figures tell, or a figure is longer than they are, nothing is divided.
func TestNoPace(t *testing.T) {
	one := []float64{1, 2, 3, 4, 5, 6, 7, 8}
	if p := PaceOf([][]float64{one, one, one}); p != nil || p.Rounds() != nil {
		t.Errorf("of three figures: %+v", p)
	}
	p := PaceOf([][]float64{one, one, one, one, one, one, one})
	if by, _, _ := p.Steady([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9}, -1); by != nil {
		t.Errorf("of a round that nobody tells of: %v", by)
	}
	if by, _, _ := p.Steady([]float64{10, 20}, -1); by != nil {
		t.Errorf("of two rounds, through which any line goes: %v", by)
	}
	if by, follows, doubt := p.Steady([]float64{10, 20, 30, 40, 50, 60, 70, 80}, -1); len(by) != 8 || math.Abs(follows-1) > 1e-6 || math.Abs(by[3]/by[0]-4) > 1e-3 || doubt > 1e-6 {
		t.Errorf("of one that goes with the others: %v, doubt %v", by, doubt)
	}
	short := PaceOf([][]float64{one, one[:2], one[:2], one[:2], one[:2], one[:2], one[:2]})
	if by, _, _ := short.Steady(one, 0); by != nil {
		t.Errorf("by itself alone: %v", by)
	}
}

// No figure is divided by its own errors.
func TestPaceOfOthers(t *testing.T) {
	values := []float64{1, 2, 3, 4, 5, 8}
	for i, want := range []float64{4, 4, 4, 3, 3, 3} {
		if got := middleWithout(values, i); got != want {
			t.Errorf("without %v: %v, want %v", values[i], got, want)
		}
	}
	if got := middleWithout(values, len(values)); got != 3.5 {
		t.Errorf("of all: %v", got)
	}
	f := Figure{Samples: []float64{9, 10}, Subtracted: 1, Pace: []float64{1.1, 1}}
	if m := f.Measured(); math.Abs(m[0]-10) > 1e-9 || m[1] != 10 {
		t.Errorf("measured: %v, want 10 twice", m)
	}
	rng := rand.New(rand.NewPCG(33, 34))
	figures := make([][]float64, 8)
	for k := range figures {
		for range 200 {
			figures[k] = append(figures[k], 100*math.Exp(0.05*rng.NormFloat64()))
		}
	}
	// Nothing drifts, so nothing is gained.
	by, _, _ := PaceOf(figures).Steady(figures[0], 0)
	was, is := Summarize(figures[0]), Summarize(figureOf(figures[0], by).Samples)
	if is.HalfWidth() < 0.9*was.HalfWidth() {
		t.Errorf("± %v became ± %v by nothing", was.HalfWidth(), is.HalfWidth())
	}
}

// Two runs are no better compared than the pace of each is known.
func TestPaceAcross(t *testing.T) {
	rng := rand.New(rand.NewPCG(35, 36))
	one := func(center, pace float64) *Run {
		f := Figure{Subject: "null", Way: "native", Unit: "ns/op", Group: "calls", Samples: samples(rng, 200, center), Follows: 1}
		f.Pace = make([]float64, 200)
		other := f
		other.Way, other.Baseline, other.Follows = "patch", "native", 1.8
		other.Samples = nil
		for _, v := range f.Samples {
			other.Samples = append(other.Samples, v*v/100)
		}
		r := run(f, other)
		r.Noise.Pace = pace
		return r
	}
	both, _, _ := CompareRuns(one(100, 0.001), one(104, 0.001))
	if !both[0].Significant() {
		t.Errorf("4 %%, where paces are known: %+v", both[0].Comparison)
	}
	if r := both[1].Relative; r.Lo < 1.02 || r.Hi > 1.06 {
		t.Errorf("relative, where paces are known: %+v", r)
	}
	both, _, _ = CompareRuns(one(100, 0.04), one(104, 0.04))
	if c := both[0].Comparison; c.Significant() || c.Ratio.Lo > 0.99 || c.Ratio.Hi < 1.09 {
		t.Errorf("4 %%, where each pace is known within 4 %%: %+v", c)
	}
	// What follows the pace by 0.8 more than its baseline tells less beside it, too.
	if c := both[1]; c.Significant() || c.Relative.Lo > 1 || c.Relative.Hi < 1.07 {
		t.Errorf("a figure that follows by 1.8: %+v, relative %+v", c.Comparison, c.Relative)
	}
}
