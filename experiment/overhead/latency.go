package overhead

import (
	"context"
	"fmt"
	"time"

	"github.com/sysreflect/sysreflect/experiment/meter"
	"github.com/sysreflect/sysreflect/experiment/results"
)

// steps is the least that two readings of the counter differ by, in cycles, where
// that can be seen: among values whose buckets hold one each.
func steps(h *results.Histogram) float64 {
	step, last := 0.0, -1.0
	for _, bar := range h.Bars() {
		if bar.Hi-bar.Lo > h.Scale {
			break
		}
		if gap := bar.Lo - last; last >= 0 && (step == 0 || gap < step) {
			step = gap
		}
		last = bar.Lo
	}
	return step
}

const (
	// Calls that are timed one by one, of each figure, in so many turns.
	latencyCalls = 30000
	latencyTurns = 3
	// No turn takes longer.
	latencyTurn = 25 * time.Millisecond
	// No further turn begins then in a run that is to take less than a minute.
	latencyEnd = 50 * time.Second
)

// latencies times calls one by one. Reading the counter takes longer than some of
// them: the median of what it takes by itself is subtracted from each.
func (b *bench) latencies(ctx context.Context) {
	limit := uint64(latencyTurn.Seconds() * b.hz)
	reading := map[meter.Way]uint32{}
	counter := b.contestant(native)
	if counter == nil {
		return
	}
	for _, loop := range []meter.Way{meter.Loop, meter.CallLoop} {
		h, err := counter.m.Latency(loop, latencyCalls, 0, limit, 0)
		if err != nil {
			b.run.Notes = append(b.run.Notes, "calls were not timed one by one: "+err.Error())
			return
		}
		reading[loop] = uint32(h.Quantile(0.5))
		if step := steps(h); loop == meter.Loop && step > 2 {
			b.run.Notes = append(b.run.Notes, fmt.Sprintf("the time stamp counter moves in steps of %s ns: calls that are timed one by one fall on these",
				number(step/b.hz*1e9)))
		}
	}
	for turn := range latencyTurns {
		if turn > 0 && b.o.until > 0 && time.Since(b.started) > latencyEnd {
			return
		}
		for i, t := range b.tasks {
			if ctx.Err() != nil {
				return
			}
			if !t.latency {
				continue
			}
			b.progress(phaseEach, (float64(turn)+float64(i)/float64(len(b.tasks)))/latencyTurns, "calls one by one")
			h, err := t.by.m.Latency(t.way, latencyCalls/latencyTurns, t.bytes, limit, reading[t.around])
			f := b.run.Find(t.figure.Subject, t.figure.Way, t.figure.Params)
			if err != nil || f == nil {
				continue
			}
			if f.Histogram == nil {
				f.Histogram = &results.Histogram{Scale: 1e9 / b.hz}
			}
			f.Histogram.Merge(h)
		}
	}
}
