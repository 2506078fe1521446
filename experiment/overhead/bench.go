package overhead

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/sysreflect/sysreflect/experiment/machine"
	"github.com/sysreflect/sysreflect/experiment/meter"
	"github.com/sysreflect/sysreflect/experiment/results"
)

// A bench is one run.
type bench struct {
	o           Options
	run         *results.Run
	files       *meter.Files
	contestants []*contestant
	mechanisms  []string
	tasks       []*task
	missing     map[string]bool
	cpu         int
	hz          float64
	core        core
	rounds      int   // made
	turned      bool  // twins are at work
	begins      []int // of sessions, by rounds
	look        int   // after so many it is looked what is known
	started     time.Time
}

// Run measures. When ctx ends it stops, and returns what it has.
func Run(ctx context.Context, o Options) (*results.Run, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(o.Reflect)
	if err != nil {
		return nil, err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil { // /proc/self/exe is another's, there
		return nil, err
	}
	o.Reflect = path
	b := &bench{o: o, missing: map[string]bool{}, run: &results.Run{
		Schema: results.Schema, Command: o.Command, When: time.Now().UTC().Truncate(time.Second),
	}}
	b.started = time.Now()
	err = b.all(ctx)
	b.run.Seconds = time.Since(b.started).Round(time.Millisecond).Seconds()
	b.run.Interrupted = ctx.Err() != nil
	return b.run, err
}

func (b *bench) all(ctx context.Context) (err error) {
	b.progress(phaseStart, 0, "looking at the machine")
	if b.cpu, err = machine.Last(); err != nil {
		return fmt.Errorf("which processors may be used: %w", err)
	}
	var load machine.Load
	load.Begin()
	time.Sleep(200 * time.Millisecond)
	busy, _ := load.Busy()
	b.run.Machine = machine.Describe(ctx, b.cpu)
	b.run.Machine.Reflect, b.run.Machine.Busy = b.o.Version, busy
	var watch machine.Watch
	watch.Begin()

	if b.files, err = meter.Write(); err != nil {
		return err
	}
	defer func() {
		for _, c := range b.contestants {
			c.close()
		}
		b.files.Remove()
		b.files.Once.Close()
	}()
	if err := b.enlistAll(ctx); err != nil {
		return err
	}
	text := Policies(b.mechanisms)
	b.run.Machine.PolicyText, b.run.Machine.PolicyHash = text, results.Fingerprint(text)
	first, err := b.clock()
	if err != nil {
		return err
	}
	if b.o.Threads > 1 {
		err = b.scale(ctx, first)
	} else {
		err = b.single(ctx, first)
	}
	if err != nil {
		return err
	}
	last, err := b.clock()
	if err == nil {
		m := &b.run.Machine
		m.TSCHz, m.TSCError = meter.Frequency(first, last)
		m.Steal, m.Neighbours = watch.Steal(), watch.Neighbours()
		b.run.Notes = append(machine.Notes(m), b.run.Notes...)
	}
	return err
}

// single measures with one thread, on one processor.
func (b *bench) single(ctx context.Context, first meter.Moment) error {
	b.run.Machine.Pinned = fmt.Sprintf("meters, supervisors, and who tells them what to do on processor %d", b.cpu)
	if b.o.Free {
		b.run.Machine.Pinned = fmt.Sprintf("meters on processor %d; supervisors where the kernel puts them", b.cpu)
	}
	for _, c := range b.contestants {
		if err := b.settleAll(c); err != nil {
			return err
		}
	}
	if err := b.calibrate(first); err != nil {
		return err
	}
	b.learnWhoServes(ctx)
	b.plan()
	if slices.ContainsFunc(b.tasks, func(t *task) bool { return t.figure.Subject != harness }) {
		if err := b.loop(ctx, first); err != nil {
			return err
		}
	}
	b.spawns(ctx)
	b.memory(ctx)
	b.progress(phaseEnd, 1, "")
	return nil
}

// clock reads the counter and a clock in the native contestant, without which there
// is no run.
func (b *bench) clock() (meter.Moment, error) {
	c := b.contestant(native)
	if c == nil {
		return meter.Moment{}, errors.New("the native program has ended: " + b.run.LeftOut[len(b.run.LeftOut)-1].Why)
	}
	return c.m.Clock()
}

// loop measures calls.
func (b *bench) loop(ctx context.Context, first meter.Moment) error {
	b.progress(phaseWarm, 0, "warming up")
	b.warm(ctx)
	b.measure(ctx)
	last, err := b.clock()
	if err != nil {
		return err
	}
	b.hz, _ = meter.Frequency(first, last)
	b.collect()
	b.noise()
	b.attribute()
	b.latencies(ctx)
	return nil
}

// calibrate finds the counter's frequency, roughly: the whole run will tell better.
func (b *bench) calibrate(first meter.Moment) error {
	time.Sleep(50 * time.Millisecond)
	now, err := b.clock()
	if err == nil {
		b.hz, _ = meter.Frequency(first, now)
	}
	return err
}

// phases have shares of the progress.
type phase struct{ from, to float64 }

var (
	phaseStart = phase{0, 0.02}
	phaseWarm  = phase{0.02, 0.05}
	phaseCalls = phase{0.05, 0.75}
	phaseEach  = phase{0.75, 0.85}
	phaseSpawn = phase{0.85, 0.97}
	phaseEnd   = phase{0.97, 1}
)

func (b *bench) progress(p phase, share float64, what string) {
	b.o.Progress(p.from+(p.to-p.from)*share, what)
}
