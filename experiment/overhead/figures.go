package overhead

import (
	"fmt"
	"math"
	"slices"

	"github.com/sysreflect/sysreflect/experiment/meter"
	"github.com/sysreflect/sysreflect/experiment/results"
)

// A paced task is what it came to at the pace that all are told at.
type paced struct {
	cycles         []float64 // a call, with the loop
	by             []float64 // what they were divided by; nil where too few figures tell
	follows, doubt float64
}

// pace estimates how the machine's pace went from those tasks that no supervisor has a part
// in, and returns what all tasks are at its median.
func (b *bench) pace() (*results.Pace, map[*task]paced) {
	var rounds [][]float64
	place := map[*task]int{}
	for _, t := range b.tasks {
		if t.tells() && len(t.cycles) > 0 {
			place[t] = len(rounds)
			rounds = append(rounds, t.cycles)
		}
	}
	pace := results.PaceOf(rounds)
	all := map[*task]paced{}
	for _, t := range b.tasks {
		of, ok := place[t]
		if !ok {
			of = -1
		}
		p := paced{cycles: t.cycles}
		if p.by, p.follows, p.doubt = pace.Steady(t.cycles, of); p.by != nil {
			p.cycles = over(t.cycles, p.by)
		}
		all[t] = p
	}
	return pace, all
}

// tells reports whether the machine's pace is told by the task.
func (t *task) tells() bool { return inner(&t.figure) && !t.served() }

// over divides values by others, as many as there are of both.
func over(values, by []float64) []float64 {
	out := make([]float64, min(len(values), len(by)))
	for i := range out {
		out[i] = values[i] / by[i]
	}
	return out
}

// loops are the medians of the loops around calls, in cycles.
func (b *bench) loops(all map[*task]paced) map[meter.Way]float64 {
	loops := map[meter.Way]float64{}
	for _, t := range b.tasks {
		if t.way == t.around {
			loops[t.way] = results.Summarize(all[t].cycles).Median
		}
	}
	return loops
}

// servedBy stands before the mechanism in the note of a figure whose calls another one
// served.
const servedBy = "served by "

// collect makes figures of what was measured.
func (b *bench) collect() {
	pace, all := b.pace()
	loops := b.loops(all)
	b.drift(pace)
	b.run.Begins = b.begins
	for _, t := range b.tasks {
		if len(t.cycles) == 0 {
			continue
		}
		p := all[t]
		f := &t.figure
		f.Calls = int64(t.calls)
		around := 0.0
		if t.way != t.around {
			around = loops[t.around]
		}
		f.Subtracted = around / b.hz * 1e9
		f.Samples = make([]float64, len(t.cycles))
		for i, c := range p.cycles {
			f.Samples[i] = math.Round((c-around)/b.hz*1e13) / 1e4 // what is further behind means nothing
		}
		f.Pace, f.Follows, f.Doubt = p.by, math.Round(1e4*p.follows)/1e4, p.doubt
		if p.by != nil {
			t.neither, t.supervisor = over(t.neither, p.by), over(t.supervisor, p.by)
		}
		b.bySessions(t, f)
		if t.call != "" && t.by.served != nil {
			if by := t.by.served[t.call]; by != "" && by != t.by.mechanism {
				f.Note = servedBy + by
			}
		}
		if f.Subject == "null" && t.way == meter.VDSONull {
			f.Note = "gettimeofday(NULL, NULL): a vDSO function with nothing to do"
		}
		b.run.Figures = append(b.run.Figures, *f)
	}
	if slices.ContainsFunc(b.tasks, func(t *task) bool { return t.figure.IsMean() }) {
		b.run.Notes = append(b.run.Notes, "what comes by a signal (trap, sud) goes now one way, now another, but for getrandom: "+
			"what stands there are means of sessions, not medians")
	}
}

// drift notes how far the machine's own pace went during the run, from one tenth of it
// to another, and how well its median is known.
func (b *bench) drift(pace *results.Pace) {
	rounds := pace.Rounds()
	f := results.Figure{Samples: rounds, Sessions: b.medians(rounds)}
	b.run.Noise.Pace = f.Spread()
	n := len(rounds)
	if n < 20 {
		return
	}
	var tenths []float64
	for i := range 10 {
		tenths = append(tenths, results.Summarize(rounds[i*n/10:(i+1)*n/10]).Median)
	}
	if d := slices.Max(tenths) - slices.Min(tenths); d > 0.02 {
		b.run.Notes = append(b.run.Notes, fmt.Sprintf("the machine's own speed went up and down by %s during the run: calls are told at one pace, "+
			"which is itself known within ± %s", percent(d), percent(b.run.Noise.Pace)))
	}
}

// noise is how far the second native contestant lay from the first, at most, in
// what both were measured in.
func (b *bench) noise() {
	b.run.Noise.How = "native calls, measured in two processes at a time: the farthest that the 95 % interval of a ratio goes from 1"
	b.run.Noise.Value = b.apart("calls")
}

// apart is the farthest that the ratio of the two native contestants goes from 1, in
// figures of one group. How far single sessions went is each figure's own matter, see
// [results.Figure.Spread].
func (b *bench) apart(group string) (most float64) {
	for i := range b.run.Figures {
		f := &b.run.Figures[i]
		base := b.run.BaselineOf(f)
		if f.Way != again || base == nil || f.Group != group || len(f.Samples) != len(base.Samples) {
			continue
		}
		ratios := make([]float64, len(f.Samples))
		for k := range ratios {
			ratios[k] = f.Samples[k] / base.Samples[k]
		}
		r := results.Summarize(ratios)
		most = max(most, r.Hi-1, 1-r.Lo)
	}
	return most
}
