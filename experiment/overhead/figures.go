package overhead

import (
	"fmt"
	"math"
	"slices"

	"github.com/sysreflect/sysreflect/experiment/meter"
	"github.com/sysreflect/sysreflect/experiment/results"
)

// loops are the medians of the loops around calls, in cycles.
func (b *bench) loops() map[meter.Way]float64 {
	loops := map[meter.Way]float64{}
	for _, t := range b.tasks {
		if t.way == t.around {
			loops[t.way] = results.Summarize(t.cycles).Median
		}
	}
	return loops
}

// servedBy stands before the mechanism in the note of a figure whose calls another one
// served.
const servedBy = "served by "

// collect makes figures of what was measured.
func (b *bench) collect() {
	loops := b.loops()
	for _, t := range b.tasks {
		if len(t.cycles) == 0 {
			continue
		}
		f := &t.figure
		f.Calls = int64(t.calls)
		around := 0.0
		if t.way != t.around {
			around = loops[t.around]
		}
		f.Subtracted = around / b.hz * 1e9
		f.Samples = make([]float64, len(t.cycles))
		for i, c := range t.cycles {
			f.Samples[i] = math.Round((c-around)/b.hz*1e13) / 1e4 // what is further behind means nothing
		}
		f.Sessions = b.medians(f.Samples)
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
}

// drift notes how far the machine's own speed went during the run, from one tenth of it
// to another, by calls that nothing but the machine has a part in.
func (b *bench) drift() {
	most, of := 0.0, ""
	for i := range b.run.Figures {
		f := &b.run.Figures[i]
		n := len(f.Samples)
		if f.Way != native || n < 20 {
			continue
		}
		var tenths []float64
		for i := range 10 {
			tenths = append(tenths, results.Summarize(f.Samples[i*n/10:(i+1)*n/10]).Median)
		}
		if d := (slices.Max(tenths) - slices.Min(tenths)) / results.Summarize(f.Samples).Median; d > most {
			most, of = d, f.Subject
		}
	}
	if most > 0.02 {
		b.run.Notes = append(b.run.Notes, fmt.Sprintf("the machine's own speed went up and down by %s during the run (%s, native): "+
			"trust ratios more than times", percent(most), of))
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
