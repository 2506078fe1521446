package overhead

import (
	"context"
	"strconv"
	"time"

	"github.com/sysreflect/sysreflect/experiment/machine"
	"github.com/sysreflect/sysreflect/experiment/meter"
)

const (
	// Rounds of short turns, and of long ones.
	manyRounds = 20
	fewRounds  = 8
	// A turn gives every thread one of the scheduler's, which takes up to 4 ms.
	turnPerThread = 4 * time.Millisecond
	shortTurn     = 20 * time.Millisecond
)

// counts are how many threads are measured: 1, 4, 16, 64 and what was asked for.
func counts(most int) (all []int) {
	for n := 1; n < most; n *= 4 {
		all = append(all, n)
	}
	return append(all, most)
}

// scale measures with many threads at once, on all processors: the processor time
// that a call takes, of all processes that have a part in it. Time by a clock would
// measure who else is busy.
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
	b.run.Notes = append(b.run.Notes, "ns: processor time for a call, of the program and of what serves it; what neither uses is not in it")
	b.run.Noise.How = "native calls of two processes, as many threads in each: the farthest that the 95 % interval of a ratio goes from 1"
	for _, n := range all {
		b.run.Noise.Value = max(b.run.Noise.Value, b.apart(group(n)))
	}
	return nil
}

func group(threads int) string { return "threads=" + strconv.Itoa(threads) }

// threads measures with n of them. Meters only ever get more.
func (b *bench) threads(ctx context.Context, n int, from, share float64) {
	processors := b.run.Machine.CPUs
	turn := turnPerThread * time.Duration(n) / time.Duration(processors)
	most := fewRounds
	if turn < shortTurn {
		turn, most = shortTurn, manyRounds
	}
	samples := make(map[*task][]float64)
	trees := make(map[*contestant][]int)
	for _, c := range b.contestants {
		trees[c] = machine.Descendants(c.m.PID)
	}
	rounds := 0
	for ; rounds < most && ctx.Err() == nil; rounds++ {
		for i := 0; i < len(b.tasks) && ctx.Err() == nil; {
			t := b.tasks[i]
			if t.figure.Subject == harness || t.figure.Subject == parts {
				i++
				continue
			}
			done := (float64(rounds) + float64(i)/float64(len(b.tasks))) / float64(most)
			b.progress(phaseCalls, from+share*done, strconv.Itoa(n)+" threads")
			before := machine.ProcessorTime(trees[t.by])
			_, calls, err := t.by.m.Together(t.way, t.bytes, n, turn)
			if err != nil {
				b.drop(t.by, err)
				continue
			}
			took := machine.ProcessorTime(trees[t.by]) - before
			samples[t] = append(samples[t], float64(took)/float64(calls))
			i++
		}
	}
	if ctx.Err() != nil {
		rounds--
	}
	for _, t := range b.tasks {
		if rounds < 1 || len(samples[t]) < rounds {
			continue
		}
		f := t.figure
		f.Params = map[string]string{"threads": strconv.Itoa(n)}
		for k, v := range t.figure.Params {
			f.Params[k] = v
		}
		f.Group = group(n)
		f.Samples = samples[t][:rounds]
		b.run.Figures = append(b.run.Figures, f)
	}
}
