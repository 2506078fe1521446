package page

import (
	"maps"
	"slices"
	"strings"

	"github.com/sysreflect/sysreflect/experiment/results"
	"github.com/sysreflect/sysreflect/experiment/workload"
)

// A group is figures that differ in their way alone.
type group struct {
	subject string
	params  map[string]string
	figures []*results.Figure
}

// groups sorts the figures of a run, in its order.
func groups(run *results.Run) (out []*group) {
	for i := range run.Figures {
		f := &run.Figures[i]
		if len(f.Samples) == 0 {
			continue
		}
		j := slices.IndexFunc(out, func(g *group) bool { return g.subject == f.Subject && maps.Equal(g.params, f.Params) })
		if j < 0 {
			j, out = len(out), append(out, &group{subject: f.Subject, params: f.Params})
		}
		out[j].figures = append(out[j].figures, f)
	}
	return out
}

// title says what a group's figures measure.
func (g *group) title() string {
	name, ok := strings.CutPrefix(g.subject, "workload:")
	if !ok {
		name = subjectTitle(g.subject, g.params)
	}
	var rest []string
	for _, k := range slices.Sorted(maps.Keys(g.params)) {
		v := g.params[k]
		switch k {
		case "what", "around", "call":
		case workload.Of:
			if ok {
				name += ": " + ofTitle(v)
			}
		case "bytes":
			rest = append(rest, v+" bytes")
		case "threads":
			rest = append(rest, v+" threads")
		default:
			rest = append(rest, k+" "+v)
		}
	}
	return strings.Join(append([]string{name}, rest...), ", ")
}

func subjectTitle(subject string, params map[string]string) string {
	switch subject {
	case "null":
		return "A call that does nothing (getppid)"
	case "passthrough":
		return "A call that the kernel makes all the same (getuid)"
	case "getrandom":
		return "getrandom"
	case "time":
		return "clock_gettime"
	case "tax":
		return "A call that is not reflected (getgid)"
	case "spawn":
		switch params["what"] {
		case "start":
			return "Starting a program"
		case "exec":
			return "A program executes another"
		case "fork":
			return "A process forks"
		}
		return "Starting: " + params["what"]
	case "memory":
		if params["of"] == "supervisor" {
			return "Memory of supervisor and guardian"
		}
		return "Memory of the program"
	case "placed":
		return subjectTitle(params["call"], nil) + ", with the supervisor where the kernel puts it"
	case "parts":
		return "What mechanisms are made of"
	case "harness":
		return "The loop around a " + params["around"]
	}
	return subject
}

func ofTitle(of string) string {
	switch of {
	case workload.Wall:
		return "wall time"
	case workload.CPU:
		return "processor time"
	case workload.User:
		return "time in user mode"
	case workload.System:
		return "time in the kernel"
	case workload.Supervisor:
		return "the supervisor's share of processor time"
	case workload.Memory:
		return "memory of the largest process"
	case workload.Calls:
		return "calls reflected"
	}
	return of
}

// compared reports whether any figure is compared with another one.
func (g *group) compared() bool {
	return slices.ContainsFunc(g.figures, func(f *results.Figure) bool { return f.Baseline != "" })
}

func sortedCopy(values []float64) []float64 {
	out := slices.Clone(values)
	slices.Sort(out)
	return out
}
