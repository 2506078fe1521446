package overhead

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sysreflect/sysreflect/experiment/meter"
	"github.com/sysreflect/sysreflect/experiment/results"
)

const simulatedDrift = 0.03 // standard deviation

// simulated is a bench with figures of some ways, of which a session makes rounds: the
// machine drifts, for all alike, processes differ by where they lie, and some windows
// are disturbed.
func simulated(ways int) *bench {
	b := &bench{run: &results.Run{}}
	for i := range ways {
		b.tasks = append(b.tasks, &task{by: &contestant{}, around: meter.CallLoop, way: meter.Getppid,
			figure: results.Figure{Subject: "null", Way: fmt.Sprint(i), Group: "calls"}})
	}
	return b
}

func (b *bench) simulate(rng *rand.Rand, drift *float64, place float64) {
	*drift = 0.9**drift + math.Sqrt(1-0.81)*simulatedDrift*rng.NormFloat64()
	b.begins = append(b.begins, b.rounds)
	b.rounds += sessionRounds
	for _, t := range b.tasks {
		lies := place * rng.NormFloat64()
		for range sessionRounds {
			v := 1 + *drift + lies + 0.03*rng.NormFloat64()
			if rng.IntN(4) == 0 {
				v += 0.1 * rng.ExpFloat64()
			}
			t.cycles = append(t.cycles, 250*v)
		}
	}
}

// A run that ends when its intervals are narrow ends the sooner the narrower they happen
// to be. At the pace of what all of them saw they hold what they should all the same, and where
// they are to be narrow they are; where processes are too far apart, a run has all the time
// that there is.
func TestEndsWhenPrecise(t *testing.T) {
	const ways, most = 24, 90
	for _, place := range []float64{0.01, 0.025, 0.08} {
		rng := rand.New(rand.NewPCG(21, 22))
		long, none := simulated(1), 0.0
		for range 20000 {
			long.simulate(rng, &none, place)
			none = 0
		}
		truth := results.Summarize(long.tasks[0].cycles).Median
		const times = 24
		held, all, sessions, wide := 0, 0, 0, 0
		for range times {
			b := simulated(ways)
			drift := simulatedDrift * rng.NormFloat64()
			var drifts []float64
			n := 0
			for ; n < most && !b.enough(n, stopWithin*Precision); n++ {
				b.simulate(rng, &drift, place)
				drifts = append(drifts, drift)
			}
			sessions += n
			_, paced := b.pace()
			for _, task := range b.tasks {
				drifts = drifts[:min(len(drifts), len(task.cycles)/sessionRounds)]
			}
			at := truth * (1 + results.Summarize(drifts).Median)
			for _, task := range b.tasks {
				p := paced[task]
				f := results.Figure{Samples: p.cycles, Sessions: b.medians(p.cycles), Doubt: p.doubt}
				s := f.Summary()
				if n < most && s.HalfWidth() >= Precision {
					wide++
				}
				if all++; s.Lo <= at && at <= s.Hi {
					held++
				}
			}
		}
		share, mean := float64(held)/float64(all), float64(sessions)/times
		t.Logf("places %.1f %% apart: %.0f sessions, %.1f %% held, %.1f %% became wide again", 100*place, mean, 100*share, 100*float64(wide)/float64(all))
		if share < 0.92 {
			t.Errorf("places %.1f %% apart: intervals of 95 %% held the median in %.1f %% of cases", 100*place, 100*share)
		}
		if wide > all/20 {
			t.Errorf("places %.1f %% apart: %d of %d that were narrow are not", 100*place, wide, all)
		}
		if place < 0.02 && mean > 45 || place > 0.05 && mean < most {
			t.Errorf("places %.1f %% apart: %.0f sessions", 100*place, mean)
		}
	}
}

// A run ends when everything is known, and not before; what two native processes differ by is no figure, nor are parts of
// one. What hangs on where a supervisor is woken is given up.
func TestKnown(t *testing.T) {
	b := simulated(24)
	for _, one := range b.tasks {
		one.cycles = slices.Repeat([]float64{100, 101}, 60)
	}
	wide := func(t *task) *task {
		for i := range 120 {
			t.cycles = append(t.cycles, 5000*(1+0.2*float64(i%10-5)))
		}
		b.tasks = append(b.tasks, t)
		return t
	}
	of := func(subject, way string) results.Figure {
		return results.Figure{Subject: subject, Way: way, Group: "calls"}
	}
	wide(&task{by: &contestant{}, around: meter.CallLoop, figure: of("null", again)})
	wide(&task{by: &contestant{}, around: meter.CallLoop, figure: of(parts, "entry")})
	if !b.known(Precision) {
		t.Error("all is known")
	}
	if b.enough(enoughSessions-1, Precision) || !b.enough(enoughSessions, Precision) || b.enough(enoughSessions+1, Precision) {
		t.Error("it is looked at the wrong time")
	}
	wide(&task{by: &contestant{mechanism: "notify"}, call: "getppid", around: meter.CallLoop, way: meter.Getppid, figure: of("null", "notify")})
	if b.known(Precision) {
		t.Error("a wide figure is known")
	}
	if b.o.Free = true; !b.known(Precision) {
		t.Error("a hopeless figure of a supervisor's goes on")
	}
}

// Each round has every task once, what is compared stands together, a second round is the
// first one's way back, and what comes before a task changes.
func TestOrder(t *testing.T) {
	b := &bench{}
	for _, subject := range []string{"null", "time", "tax"} {
		for i := range 8 {
			b.tasks = append(b.tasks, &task{figure: results.Figure{Subject: subject, Way: fmt.Sprint(i)}})
		}
	}
	before := map[*task]map[*task]bool{}
	for ; b.rounds < 60; b.rounds += 2 {
		order := b.order(nil, false)
		back := b.order(order, true)
		slices.Reverse(back)
		if !slices.Equal(order, back) {
			t.Fatal("the way back is another one")
		}
		changes := 0
		for i, one := range order {
			if i > 0 && order[i-1].figure.Subject != one.figure.Subject {
				changes++
			}
			if before[one] == nil {
				before[one] = map[*task]bool{}
			}
			if i > 0 {
				before[one][order[i-1]] = true
			}
		}
		once := map[*task]bool{}
		for _, one := range order {
			once[one] = true
		}
		if len(order) != len(b.tasks) || len(once) != len(b.tasks) || changes != 2 {
			t.Fatalf("%d places for %d of %d tasks, %d changes of subject", len(order), len(once), len(b.tasks), changes)
		}
	}
	// What one supervisor serves stands together, whatever it is.
	server := &contestant{name: "ptrace", mechanism: "ptrace"}
	for _, i := range []int{3, 12, 20} {
		b.tasks[i].by, b.tasks[i].call = server, "getppid"
	}
	b.tasks[7].by, b.tasks[7].figure.Subject = server, placed
	order, runs := b.order(nil, false), 0
	for i, one := range order {
		if one.runsUp() && (i == 0 || !order[i-1].runsUp()) {
			runs++
		}
	}
	if runs != 1 || len(order) != len(b.tasks) {
		t.Errorf("%d tasks, a supervisor runs up %d times in a round", len(order), runs)
	}
	for one, others := range before {
		if len(others) < 7 {
			t.Errorf("%s %s only ever stands behind %d others", one.figure.Subject, one.figure.Way, len(others))
		}
	}
}

// What comes by a signal is told by means of those rounds that had their core for themselves.
func TestMeansOfTheAlone(t *testing.T) {
	b := &bench{begins: []int{0, 4, 8}, core: core{quiet: 10}}
	one := &task{by: &contestant{mechanism: "trap"}, call: "getppid", pulses: []uint64{9, 11, 10, 12, 11, 11, 11, 11, 1, 1, 1, 1}}
	f := results.Figure{Samples: []float64{2, 100, 4, 100, 5, 6, 7, 8, 1, 2, 3, 6}}
	b.bySessions(one, &f)
	if !f.Mean || !slices.Equal(f.Sessions, []float64{3, 6.5, 3}) {
		t.Errorf("%v, %v", f.Mean, f.Sessions)
	}
	one.by.mechanism = "patch"
	b.bySessions(one, &f)
	if f.Mean || !slices.Equal(f.Sessions, []float64{52, 6.5, 2.5}) {
		t.Errorf("%v, %v", f.Mean, f.Sessions)
	}
}
