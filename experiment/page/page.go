package page

import (
	_ "embed"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/sysreflect/sysreflect/experiment/results"
	"github.com/sysreflect/sysreflect/experiment/workload"
)

//go:embed page.css
var style string

// Write writes a run as a page.
func Write(w io.Writer, run *results.Run) error {
	d := &document{run: run, of: map[string]*results.Comparison{}}
	comparisons := run.Comparisons()
	for i := range comparisons {
		d.of[comparisons[i].Figure.Key()] = &comparisons[i]
	}
	title := results.CommandLine(run.Command)
	d.head(title)
	d.el("h1", title)
	d.answer()
	d.subtitle()
	d.el("h2", "Figures")
	d.figures()
	d.about()
	d.foot()
	_, err := w.Write(d.b)
	return err
}

func (d *document) head(title string) {
	d.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
		"<meta name=\"color-scheme\" content=\"light dark\">\n")
	d.el("title", title)
	d.raw("<style>\n", style, "</style>\n</head>\n<body>\n")
}

func (d *document) foot() { d.raw("</body>\n</html>\n") }

// figures draws all charts.
func (d *document) figures() {
	all := groups(d.run)
	d.workloads()
	var spread []*results.Figure
	lines := map[string]bool{}
	for _, g := range all {
		switch {
		case strings.HasPrefix(g.subject, "workload:"):
			if of := g.params[workload.Of]; of != workload.Wall && of != workload.CPU {
				continue
			}
		case g.subject == "harness" || g.subject == "parts":
			continue
		default:
			if key := d.lines(g, all, lines); key {
				continue
			}
		}
		d.overview(g)
		if g.compared() && len(g.figures[0].Samples) > few && g.params[workload.Of] != workload.CPU {
			spread = append(spread, g.figures...)
		}
	}
	for _, g := range all {
		for _, f := range g.figures {
			d.steps(f)
		}
	}
	for _, g := range all {
		d.latencies(g)
	}
	d.spreads(spread[:min(len(spread), 24)])
}

// A parameter with so many values is drawn as an axis.
const enough = 3

// lines draws a subject once, over a parameter that takes many values, and reports
// whether a group is in such a plot. The plot's middle one is drawn as a group,
// too.
func (d *document) lines(g *group, all []*group, drawn map[string]bool) bool {
	for _, parameter := range []string{"bytes", "threads"} {
		if g.params[parameter] == "" {
			continue
		}
		others := maps.Clone(g.params)
		delete(others, parameter)
		var figures []*results.Figure
		var members []*group
		for _, o := range all {
			rest := maps.Clone(o.params)
			delete(rest, parameter)
			if o.subject == g.subject && o.params[parameter] != "" && maps.Equal(rest, others) {
				members = append(members, o)
				for _, f := range o.figures {
					if f.Way != workload.Again {
						figures = append(figures, f)
					}
				}
			}
		}
		if len(members) < enough {
			continue
		}
		key := (&group{subject: g.subject, params: others}).title() + parameter
		if drawn[key] {
			return g != members[shown(members)]
		}
		drawn[key] = true
		title := (&group{subject: g.subject, params: others}).title() + " by " + parameter
		if p := newPlot(title, told(figures)+" of a call, with 95 % intervals, both scales logarithmic. A shape and a dash for each way.", parameter, figures); p != nil {
			p.draw(&d.markup)
		}
		return g != members[shown(members)]
	}
	return false
}

// shown is the one of a plot's groups that is drawn by itself: 16 bytes, the usual
// length, or the first.
func shown(members []*group) int {
	return max(0, slices.IndexFunc(members, func(g *group) bool { return g.params["bytes"] == "16" }))
}

// workloads draws what whole programs take beside the native ones: where there is
// one, a chart of its ways; else one for each way, all over the same axis.
func (d *document) workloads() {
	outcomes := workload.Outcomes(d.run)
	if len(outcomes) == 1 {
		o := &outcomes[0]
		d.ratios(o.Title(), d.ratioAxis(walls(o)), walls(o), func(f *results.Figure) string { return f.Way })
	}
	if len(outcomes) < 2 {
		return
	}
	titles := map[*results.Figure]string{}
	var all []*results.Figure
	for i := range outcomes {
		for _, f := range walls(&outcomes[i]) {
			titles[f], all = outcomes[i].Title(), append(all, f)
		}
	}
	a := d.ratioAxis(all)
	for _, way := range waysOf(outcomes) {
		var figures []*results.Figure
		for _, f := range all {
			if f.Way == way {
				figures = append(figures, f)
			}
		}
		d.ratios("All programs: "+way, a, figures, func(f *results.Figure) string { return titles[f] })
	}
}

// walls are the figures of wall time.
func walls(o *workload.Outcome) (out []*results.Figure) {
	for _, r := range o.Rows {
		if f := r.Figures[workload.Wall]; f != nil {
			out = append(out, f)
		}
	}
	return out
}

// waysOf are the ways that are compared with the native one.
func waysOf(outcomes []workload.Outcome) (ways []string) {
	for _, o := range outcomes {
		for _, r := range o.Rows {
			if r.Against != nil && r.Way != workload.Again && !slices.Contains(ways, r.Way) {
				ways = append(ways, r.Way)
			}
		}
	}
	return ways
}
