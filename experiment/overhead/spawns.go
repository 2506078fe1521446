package overhead

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/sysreflect/sysreflect/experiment/meter"
	"github.com/sysreflect/sysreflect/experiment/results"
)

const (
	minSpawns = 10
	maxSpawns = 60
	spawnTime = 10 * time.Second
	spawnEnd  = 54 * time.Second // of a run that is to take less than a minute
)

// A start is something that is started and waited for, by a meter.
type start struct {
	m      *meter.Meter
	argv   []string // nil for a fork
	figure results.Figure
}

func (s *start) once() (cycles uint64, err error) {
	if s.argv == nil {
		return s.m.Fork()
	}
	return s.m.Spawn(s.argv...)
}

// spawns measures what starting takes: a whole `reflect run` of a program that ends
// at once, a program that a reflected one executes, and a fork.
func (b *bench) spawns(ctx context.Context) {
	if !b.o.wants("spawn") || ctx.Err() != nil {
		return
	}
	starter, starts, err := b.planSpawns()
	if err != nil {
		b.leaveOut("spawn", "", err)
		return
	}
	defer func() {
		for _, s := range starter {
			s.Close()
		}
	}()
	end := time.Now().Add(spawnTime)
	if last := b.started.Add(spawnEnd); b.o.until > 0 && end.After(last) {
		end = last
	}
	rounds := 0
	for ; rounds < maxSpawns && ctx.Err() == nil && (rounds < minSpawns || time.Now().Before(end)); rounds++ {
		b.progress(phaseSpawn, float64(rounds)/maxSpawns, "starts")
		order := slices.Clone(starts)
		if rounds%2 == 1 {
			slices.Reverse(order)
		}
		for _, s := range order {
			if ctx.Err() != nil {
				break
			}
			// Once untimed: what is started after its like is started faster.
			took, err := s.once()
			if err == nil {
				took, err = s.once()
			}
			if err != nil {
				b.leaveOut("spawn", s.figure.Way, err)
				starts = slices.DeleteFunc(starts, func(o *start) bool { return o == s })
				continue
			}
			s.figure.Samples = append(s.figure.Samples, float64(took)/b.hz*1e6)
		}
	}
	whole := rounds
	if ctx.Err() != nil {
		whole = max(0, rounds-1)
	}
	for _, s := range starts {
		// The first is another: caches are cold, files are read.
		if s.figure.Samples = s.figure.Samples[:min(whole, len(s.figure.Samples))]; len(s.figure.Samples) > 2 {
			s.figure.Samples = s.figure.Samples[1:]
			b.run.Figures = append(b.run.Figures, s.figure)
		}
	}
	b.setNoise("spawn", b.apart("spawn"))
}

// planSpawns starts the meters that start, natively and under each mechanism.
func (b *bench) planSpawns() (starter []*meter.Meter, starts []*start, err error) {
	add := func(m *meter.Meter, way, what string, argv ...string) {
		s := &start{m: m, argv: argv, figure: results.Figure{
			Subject: "spawn", Way: way, Unit: "µs", Group: "spawn", Calls: 1, Params: map[string]string{"what": what}}}
		if way != native {
			s.figure.Baseline = native
		}
		starts = append(starts, s)
	}
	// Descriptors from 3 on: the program that ends at once, then a policy each.
	files := []*os.File{b.files.Once}
	var contestants []*contestant
	for _, c := range b.contestants {
		if c.mechanism != "" && !c.placed {
			contestants = append(contestants, c)
			files = append(files, c.files[0])
		}
	}
	const program = "/proc/self/fd/3"
	m, err := meter.Start(native, []string{program}, nil, files...)
	if err != nil {
		return nil, nil, err
	}
	starter = append(starter, m)
	add(m, native, "start", program, "exit")
	add(m, again, "start", program, "exit")
	for i, c := range contestants {
		add(m, c.name, "start", b.o.Reflect, "run", "-p", fmt.Sprintf("/proc/self/fd/%d", 4+i), "--", program, "exit")
	}
	for _, what := range []string{"exec", "fork"} {
		for _, way := range []string{native, again} {
			if what == "exec" {
				add(m, way, what, program, "exit")
			} else {
				add(m, way, what)
			}
		}
	}
	for i, c := range contestants {
		under, err := meter.Start(c.name, []string{b.o.Reflect, "run", "-p", fmt.Sprintf("/proc/self/fd/%d", 4+i), "--", program}, nil, files...)
		if err != nil {
			b.leaveOut("spawn", c.name, err)
			continue
		}
		starter = append(starter, under)
		add(under, c.name, "exec", program, "exit")
		add(under, c.name, "fork")
	}
	return starter, starts, nil
}

func (b *bench) setNoise(subject string, v float64) {
	if b.run.Noise.By == nil {
		b.run.Noise.By = map[string]float64{}
	}
	b.run.Noise.By[subject] = v
}
