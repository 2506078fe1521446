package overhead

import (
	"context"
	"strconv"
	"time"

	"github.com/sysreflect/sysreflect/experiment/meter"
	"github.com/sysreflect/sysreflect/experiment/results"
)

const (
	scaleRounds = 10
	// A turn gives every thread one of the scheduler's, which takes up to 4 ms.
	turnPerThread = 4 * time.Millisecond
	leastTurn     = 10 * time.Millisecond
)

// counts are how many threads are measured: 1, 4, 16, 64 and what was asked for.
func counts(most int) (all []int) {
	for n := 1; n < most; n *= 4 {
		all = append(all, n)
	}
	return append(all, most)
}

// scale measures with many threads at once, on all processors: what a call takes of
// the time of all of them together.
func (b *bench) scale(ctx context.Context, first meter.Moment) error {
	b.run.Machine.Pinned = "nothing"
	b.run.Machine.Measured = -1
	if err := b.calibrate(first); err != nil {
		return err
	}
	b.learnWhoServes(ctx)
	b.plan()
	b.warm(ctx)
	b.files.Remove()
	all := counts(b.o.Threads)
	for i, n := range all {
		b.threads(ctx, n, float64(i)/float64(len(all)), 1/float64(len(all)))
	}
	b.run.Noise.How = "the native calls of two processes, as many threads in each: the farthest that their ratio's 95 % interval goes from 1"
	for i := range b.run.Figures {
		f := &b.run.Figures[i]
		if base := b.run.BaselineOf(f); f.Way == again && base != nil {
			r := results.Compare(f, base, 0).Ratio
			b.run.Noise.Value = max(b.run.Noise.Value, r.Hi-1, 1-r.Lo)
		}
	}
	return nil
}

// threads measures with n of them. Meters only ever get more.
func (b *bench) threads(ctx context.Context, n int, from, share float64) {
	processors := b.run.Machine.CPUs
	turn := max(leastTurn, turnPerThread*time.Duration(n)/time.Duration(processors))
	samples := make(map[*task][]float64)
	rounds := 0
	for ; rounds < scaleRounds && ctx.Err() == nil; rounds++ {
		for i := 0; i < len(b.tasks) && ctx.Err() == nil; {
			t := b.tasks[i]
			if t.figure.Subject == harness || t.figure.Subject == parts {
				i++
				continue
			}
			b.progress(phaseCalls, from+share*(float64(rounds)+float64(i)/float64(len(b.tasks)))/scaleRounds, strconv.Itoa(n)+" threads")
			cycles, calls, err := t.by.m.Together(t.way, t.bytes, n, turn)
			if err != nil {
				b.drop(t.by, err)
				continue
			}
			if calls > 0 {
				samples[t] = append(samples[t], float64(cycles)/float64(calls)/b.hz*1e9)
			}
			i++
		}
	}
	if ctx.Err() != nil {
		rounds--
	}
	for _, t := range b.tasks {
		if len(samples[t]) < max(1, rounds) {
			continue
		}
		f := t.figure
		f.Params = map[string]string{"threads": strconv.Itoa(n)}
		for k, v := range t.figure.Params {
			f.Params[k] = v
		}
		f.Group = "threads=" + strconv.Itoa(n)
		f.Samples = samples[t][:rounds]
		f.Note = "time by all threads together: wall time over calls"
		b.run.Figures = append(b.run.Figures, f)
	}
}
