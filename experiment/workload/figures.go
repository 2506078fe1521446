package workload

import (
	"maps"
	"time"

	"github.com/sysreflect/sysreflect/experiment/launch"
	"github.com/sysreflect/sysreflect/experiment/results"
)

// Of is the parameter that tells a subject's figures apart: what of a run they
// say.
const Of = "of"

// What figures say of a run.
const (
	Wall       = "wall"
	CPU        = "cpu" // user and system
	User       = "user"
	System     = "system"
	Supervisor = "supervisor" // its share of user and system time
	Memory     = "memory"     // of the largest process
	Calls      = "reflected"  // system calls, in a run
)

// Figures turns rounds into figures. Wall time and processor time have a baseline and
// so are compared; the others are there to say where that went.
func (m *Measured) Figures() []results.Figure {
	var out []results.Figure
	for i := range m.Subject.Ways {
		w := &m.Subject.Ways[i]
		runs := m.Runs[i]
		if len(runs) == 0 {
			continue
		}
		out = append(out, m.figure(w, Wall, "ms", runs, func(r *launch.Result) float64 { return milliseconds(r.Wall) }))
		if m.Subject.WallOnly {
			continue
		}
		out = append(out,
			m.figure(w, CPU, "ms", runs, func(r *launch.Result) float64 { return milliseconds(r.CPU()) }),
			m.figure(w, User, "ms", runs, func(r *launch.Result) float64 { return milliseconds(r.User) }),
			m.figure(w, System, "ms", runs, func(r *launch.Result) float64 { return milliseconds(r.System) }))
		if w.Reflected() {
			out = append(out, m.figure(w, Supervisor, "ms", runs, func(r *launch.Result) float64 { return milliseconds(r.Own) }))
		}
		out = append(out, m.figure(w, Memory, "B", runs, func(r *launch.Result) float64 { return float64(r.Memory) }))
		if m.Counted[i] {
			f := m.figure(w, Calls, "calls", nil, nil)
			f.Samples = []float64{float64(m.Counts[i])}
			f.Group, f.Note = "", "counted in a run of its own, which was not timed"
			out = append(out, f)
		}
	}
	return out
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (m *Measured) figure(w *Way, of, unit string, runs []launch.Result, value func(*launch.Result) float64) results.Figure {
	params := maps.Clone(m.Subject.Params)
	if params == nil {
		params = map[string]string{}
	}
	params[Of] = of
	f := results.Figure{Subject: m.Subject.Name, Way: w.Name, Params: params, Unit: unit, Calls: 1, Samples: []float64{}}
	if (of == Wall || of == CPU) && w.Name != Native {
		f.Baseline = Native
	}
	f.Group = (&results.Figure{Subject: f.Subject, Params: m.Subject.Params}).Key()
	for i := range runs {
		f.Samples = append(f.Samples, value(&runs[i]))
	}
	return f
}

// Noise is what the native program may have differed from itself by, relative, in
// one of its figures: the farthest that the interval of the ratio goes from 1.
func Noise(figures []results.Figure, of string) (noise float64, ok bool) {
	run := results.Run{Figures: figures}
	for i := range figures {
		f := &figures[i]
		if f.Way != Again || f.Params[Of] != of {
			continue
		}
		if base := run.BaselineOf(f); base != nil {
			r := results.Compare(f, base, 0).Ratio
			noise, ok = max(noise, r.Hi-1, 1-r.Lo), true
		}
	}
	return noise, ok
}
