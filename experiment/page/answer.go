package page

import (
	"fmt"
	"math"
	"strings"

	"github.com/sysreflect/sysreflect/experiment/results"
	"github.com/sysreflect/sysreflect/experiment/workload"
)

// answer says first what was found out.
func (d *document) answer() {
	d.open("section", "class", "answer")
	outcomes := workload.Outcomes(d.run)
	switch {
	case len(outcomes) > 1:
		d.el("p", "Programs, natively, and by each mechanism:")
		d.open("ul")
		if g := d.first(); g != nil {
			d.callChips(g)
		}
		for i := range outcomes {
			d.chips(&outcomes[i])
		}
		d.end("ul")
	case len(outcomes) == 1:
		d.program(&outcomes[0])
	}
	switch g := d.first(); {
	case len(outcomes) > 1:
	case g != nil:
		d.calls(g)
	case len(outcomes) == 0:
		d.el("p", "Nothing was compared.")
	}
	d.end("section")
}

// program answers for one program, a line for each way.
func (d *document) program(o *workload.Outcome) {
	for _, r := range o.Rows {
		if f := r.Figures[workload.Wall]; r.Way == workload.Native && f != nil {
			d.el("p", o.Title()+": "+value(f)+" natively")
		}
	}
	d.open("ul")
	for _, r := range o.Rows {
		if r.Against == nil || r.Way == workload.Again {
			continue
		}
		d.item(r.Way, r.Against.Words()+added(r.Against))
	}
	d.end("ul")
}

func (d *document) item(name, text string) {
	d.open("li")
	d.el("b", name)
	d.text(text)
	d.end("li")
}

// added is the difference in the figure's own unit, where there is one.
func added(c *results.Comparison) string {
	if !c.Significant() {
		return ""
	}
	text := units(c.Figure.Unit)(math.Abs(c.Difference.Median))
	if c.Difference.Median < 0 {
		return " (−" + text + ")"
	}
	return " (+" + text + ")"
}

// chips answers for one program among several, in one line.
func (d *document) chips(o *workload.Outcome) {
	d.open("li")
	d.el("b", o.Title())
	for _, r := range o.Rows {
		f := r.Figures[workload.Wall]
		switch {
		case f == nil || r.Way == workload.Again || r.Way == workload.None: // which is below, in charts
		case r.Way == workload.Native:
			text, unit := results.Scaled(f.Summary().Median, f.Unit)
			d.chip("native", text+" "+unit)
		case r.Against != nil:
			d.chip(r.Way, r.Against.Short())
		}
	}
	d.end("li")
}

// callChips is the same for a call.
func (d *document) callChips(g *group) {
	d.open("li")
	d.el("b", g.title())
	for _, f := range g.figures {
		if f.Way != workload.Again {
			d.chip(f.Way, plain(f))
		}
	}
	d.end("li")
}

func (d *document) chip(name, text string) {
	d.open("span", "class", "chip")
	d.el("i", name+" ")
	d.text(text)
	d.end("span")
}

// first is the group that answers the question of a run of calls: the first one
// that compares anything.
func (d *document) first() *group {
	for _, g := range groups(d.run) {
		if g.compared() && !strings.HasPrefix(g.subject, "workload:") {
			return g
		}
	}
	return nil
}

// calls answers for calls: what each way takes.
func (d *document) calls(g *group) {
	for _, f := range g.figures {
		if f.Way == workload.Native {
			d.el("p", fmt.Sprintf("%s takes %s natively", g.title(), plain(f)))
		}
	}
	d.open("ul")
	for _, f := range g.figures {
		c := d.of[f.Key()]
		if c == nil || f.Way == workload.Again {
			continue
		}
		d.item(f.Way, plain(f)+": "+c.Words())
	}
	d.end("ul")
}

func plain(f *results.Figure) string { return units(f.Unit)(f.Summary().Median) }

// subtitle says where that was found out, and how sure it is.
func (d *document) subtitle() {
	m := &d.run.Machine
	var parts []string
	add := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	add(m.CPU)
	if m.CPUs > 0 {
		add(fmt.Sprintf("%d processors", m.CPUs))
	}
	add(m.Hypervisor)
	if m.Kernel != "" {
		add("Linux " + m.Kernel)
	}
	add(d.run.When.Format("2 January 2006, 15:04 MST"))
	d.el("p", strings.Join(parts, " · "), "class", "soft")
	if d.run.Noise.How != "" {
		text := "Noise: " + percentage(d.run.Noise.Value) + " (" + d.run.Noise.How + "). n.s.: no difference beyond that and chance."
		d.el("p", text, "class", "soft")
	}
	if d.run.Interrupted {
		d.el("p", "This run was ended early: figures are fewer, or have fewer samples.")
	}
}

func percentage(v float64) string { return results.Digits(100*v, 100*v/10) + " %" }
