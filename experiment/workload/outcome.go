package workload

import (
	"maps"
	"slices"
	"strings"

	"github.com/sysreflect/sysreflect/experiment/results"
)

// An Outcome is what a run says of one program, or of one with certain values of
// its parameters.
type Outcome struct {
	Name   string // without "workload:"
	Params map[string]string
	Rows   []Row
}

// A Row is one way of an Outcome.
type Row struct {
	Way     string
	Figures map[string]*results.Figure // by what they say of a run
	// Against the native program, wall time and processor time; nil for that itself.
	Against, CPUAgainst *results.Comparison
}

// prefix of the subjects of programs.
const prefix = "workload:"

// Outcomes sorts the figures of programs among those of a run. What else is in it
// is left alone.
func Outcomes(run *results.Run) []Outcome {
	comparisons := run.Comparisons()
	var out []Outcome
	for i := range run.Figures {
		f := &run.Figures[i]
		name, ok := strings.CutPrefix(f.Subject, prefix)
		if !ok || f.Params[Of] == "" {
			continue
		}
		params := maps.Clone(f.Params)
		delete(params, Of)
		o := slices.IndexFunc(out, func(o Outcome) bool { return o.Name == name && maps.Equal(o.Params, params) })
		if o < 0 {
			o, out = len(out), append(out, Outcome{Name: name, Params: params})
		}
		rows := out[o].Rows
		r := slices.IndexFunc(rows, func(r Row) bool { return r.Way == f.Way })
		if r < 0 {
			r, rows = len(rows), append(rows, Row{Way: f.Way, Figures: map[string]*results.Figure{}})
			out[o].Rows = rows
		}
		rows[r].Figures[f.Params[Of]] = f
		for j := range comparisons {
			switch {
			case comparisons[j].Figure != f:
			case f.Params[Of] == Wall:
				rows[r].Against = &comparisons[j]
			case f.Params[Of] == CPU:
				rows[r].CPUAgainst = &comparisons[j]
			}
		}
	}
	return out
}

// Title names an outcome: the program, and the values of its parameters.
func (o *Outcome) Title() string {
	title := o.Name
	for _, k := range slices.Sorted(maps.Keys(o.Params)) {
		title += ", " + k + " " + o.Params[k]
	}
	return title
}
