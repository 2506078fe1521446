package overhead

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/sysreflect/sysreflect/experiment/meter"
	"github.com/sysreflect/sysreflect/experiment/results"
)

const (
	// window is how long one is: short enough that most are not interrupted, with a
	// tick every millisecond to four, and long enough for many calls.
	window = 250 * time.Microsecond
	// A patched site is one after the second call; the first ones also touch fresh
	// memory.
	warmCalls = 200

	// Rounds of a session, and sessions: each begins with fresh processes, since where
	// their code and data lie makes a difference that no number of rounds shows.
	minRounds = 3
	maxRounds = 100
	sessions  = 10
)

// warm has each task make calls until it is what it will be, and finds how many fit
// into a window.
func (b *bench) warm(ctx context.Context) {
	for i := 0; i < len(b.tasks) && ctx.Err() == nil; {
		t := b.tasks[i]
		if err := t.fit(b.hz); err != nil {
			b.drop(t.by, err) // and its tasks, this one too
			continue
		}
		i++
	}
}

func (t *task) fit(hz float64) error {
	want := window.Seconds() * hz
	calls := warmCalls
	if _, _, err := t.by.m.Window(t.way, calls, t.bytes); err != nil {
		return err
	}
	calls = 16
	for {
		cycles, returned, err := t.by.m.Window(t.way, calls, t.bytes)
		if err != nil {
			return err
		}
		if t.check && returned != t.wanted {
			return fmt.Errorf("getppid returned %d, and not %d as its policy says", returned, t.wanted)
		}
		if float64(cycles) >= want/4 || calls >= 1<<26 {
			t.calls = max(8, int(float64(calls)*want/float64(cycles)))
			return nil
		}
		calls *= 2
	}
}

// measure holds all sessions.
func (b *bench) measure(ctx context.Context) {
	for i := range sessions {
		if i > 0 {
			b.restart(ctx)
		}
		if i == sessions-1 {
			b.files.Remove() // what is to be patched is
		}
		b.session(ctx, float64(i)/sessions)
		if ctx.Err() != nil {
			break
		}
	}
	// A round that was interrupted counts for nobody.
	for _, t := range b.tasks {
		t.cycles = t.cycles[:min(len(t.cycles), b.rounds)]
	}
}

// restart ends all contestants and starts them anew.
func (b *bench) restart(ctx context.Context) {
	for _, c := range slices.Clone(b.contestants) {
		c.m.Close()
		m, err := c.start()
		if err == nil {
			c.m = m
			err = m.Pin(b.cpu)
		}
		if err != nil {
			b.drop(c, err)
		}
	}
	for i := 0; i < len(b.tasks) && ctx.Err() == nil; {
		t := b.tasks[i]
		if _, err := t.by.m.Have(t.way); err == nil { // makes what a way needs
			_, _, err = t.by.m.Window(t.way, warmCalls, t.bytes)
			if err == nil {
				i++
				continue
			}
			b.drop(t.by, err)
		} else {
			b.drop(t.by, err)
		}
	}
}

// session makes rounds for as long as it has time.
func (b *bench) session(ctx context.Context, from float64) {
	begin := time.Now()
	while := b.o.Time / sessions
	b.begins = append(b.begins, b.rounds)
	for n := 0; n < maxRounds && ctx.Err() == nil; n++ {
		share := time.Since(begin).Seconds() / while.Seconds()
		if n >= minRounds && share >= 1 {
			return
		}
		if !b.round(ctx, b.rounds%2 == 1) {
			return
		}
		b.rounds++
		b.progress(phaseCalls, from+min(1, max(share, float64(n)/maxRounds))/sessions, "calls")
	}
}

// medians are those of sessions, nil where there was only one.
func (b *bench) medians(samples []float64) (medians []float64) {
	for i, from := range b.begins {
		to := len(samples)
		if i+1 < len(b.begins) {
			to = min(to, b.begins[i+1])
		}
		if from < to {
			medians = append(medians, results.Summarize(samples[from:to]).Median)
		}
	}
	if len(medians) < 2 {
		return nil
	}
	return medians
}

// round gives each task a window; it says false when it was interrupted.
func (b *bench) round(ctx context.Context, backward bool) bool {
	order := slices.Clone(b.tasks)
	if backward {
		slices.Reverse(order)
	}
	for _, t := range order {
		if ctx.Err() != nil {
			return false
		}
		if !slices.Contains(b.contestants, t.by) {
			continue
		}
		cycles, _, err := t.by.m.Window(t.way, t.calls, t.bytes)
		if err != nil {
			b.drop(t.by, err)
			continue
		}
		t.cycles = append(t.cycles, float64(cycles)/float64(t.calls))
	}
	return true
}

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
				f.Note = "served by " + by
			}
		}
		if f.Subject == "null" && t.way == meter.VDSONull {
			f.Note = "gettimeofday(NULL, NULL): a vDSO function with nothing to do"
		}
		b.run.Figures = append(b.run.Figures, *f)
	}
}

// drift notes how far the machine's own speed went from session to session, by calls
// that nothing but the machine has a part in.
func (b *bench) drift() {
	most, of := 0.0, ""
	for i := range b.run.Figures {
		f := &b.run.Figures[i]
		if f.Way != native || len(f.Sessions) < 2 {
			continue
		}
		if d := (slices.Max(f.Sessions) - slices.Min(f.Sessions)) / results.Summarize(f.Samples).Median; d > most {
			most, of = d, f.Subject
		}
	}
	if most > 0.02 {
		b.run.Notes = append(b.run.Notes, fmt.Sprintf("the machine's own speed went up and down by %s between sessions (%s, native): "+
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
