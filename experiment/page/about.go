package page

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sysreflect/sysreflect/experiment/overhead"
	"github.com/sysreflect/sysreflect/experiment/results"
)

// about says what else a reader must know: notes, what was left out, the machine,
// how to repeat it, and every figure in numbers.
func (d *document) about() {
	known := overhead.Known(d.run)
	if len(d.run.Notes)+len(d.run.LeftOut)+len(known) > 0 {
		d.el("h2", "Notes")
		d.open("ul")
		if known != "" {
			d.el("li", known)
		}
		for _, n := range d.run.Notes {
			d.el("li", n)
		}
		for _, l := range d.run.LeftOut {
			name := l.Way
			if l.Subject != "" {
				name = strings.TrimSpace(l.Subject + " " + l.Way)
			}
			d.el("li", "left out: "+name+": "+l.Why)
		}
		d.end("ul")
	}
	d.el("h2", "How to repeat it")
	d.open("pre")
	d.text(results.CommandLine(d.run.Command))
	d.end("pre")
	d.el("p", fmt.Sprintf("It took %.0f seconds. reflect %s.", d.run.Seconds, d.run.Machine.Reflect), "class", "soft")
	d.machine()
	d.numbers()
}

func (d *document) machine() {
	m := &d.run.Machine
	d.el("h2", "Machine")
	d.open("table")
	line := func(name, value string) {
		if value == "" {
			return
		}
		d.open("tr")
		d.el("th", name, "scope", "row")
		d.el("td", value)
		d.end("tr")
	}
	line("kernel", strings.TrimSpace(m.Kernel+" "+m.Version))
	line("processor", m.CPU)
	if m.CPUs > 0 {
		line("processors", strconv.Itoa(m.CPUs))
	}
	if m.TSCHz > 0 {
		line("time stamp counter", fmt.Sprintf("%.4f GHz ± %.2g", m.TSCHz/1e9, m.TSCError*m.TSCHz/1e9))
	}
	line("governor", m.Governor)
	line("boost", m.Boost)
	line("SMT", m.SMT)
	line("hypervisor", m.Hypervisor)
	line("container", m.Container)
	line("clock source", m.ClockSource)
	line("C library", m.LibC)
	line("Go", m.Go)
	line("reflect", m.Reflect)
	line("user", m.User)
	line("pinned", m.Pinned)
	line("load before", fmt.Sprintf("%.2f %.2f %.2f; others used %.0f %% of the processors", m.Load[0], m.Load[1], m.Load[2], 100*m.Busy))
	line("steal", fmt.Sprintf("%.1f %%", 100*m.Steal))
	line("busy beside it", strings.Join(m.Neighbours, ", "))
	for _, k := range slices.Sorted(maps.Keys(m.Mitigations)) {
		line(strings.ReplaceAll(k, "_", " "), m.Mitigations[k])
	}
	d.end("table")
	if m.PolicyText != "" {
		d.open("details")
		d.el("summary", "The policy")
		d.open("pre")
		d.text(m.PolicyText)
		d.end("pre")
		d.end("details")
	}
}

// numbers lists every figure.
func (d *document) numbers() {
	d.el("h2", "Every figure")
	d.open("div", "class", "wide", "tabindex", "0", "role", "region", "aria-label", "every figure in numbers")
	d.open("table")
	d.open("tr")
	for i, h := range []string{"figure", "way", "samples", "median", "95 % from", "to", "least", "most", "unit", "against", "p, corrected"} {
		d.el("th", h, "scope", "col", "class", numeric(i))
	}
	d.end("tr")
	for i := range d.run.Figures {
		d.number(&d.run.Figures[i])
	}
	d.end("table")
	d.end("div")
	d.el("p", "Intervals hold the median with 95 % confidence, whatever the distribution; of what is told by a mean of sessions (a note says what), by Student's t. Differences: Mann-Whitney's U-test, corrected for the number of comparisons (Holm).", "class", "soft")
}

// numeric is the class of a column of the table of figures.
func numeric(column int) string {
	if column >= 2 && column <= 7 || column == 10 {
		return "number"
	}
	return ""
}

func (d *document) number(f *results.Figure) {
	s := f.Summary()
	by, unit := results.Scale(s.Median, f.Unit)
	n := func(v float64) string { return results.Three(by * v) }
	against, p := "", ""
	if c := d.of[f.Key()]; c != nil {
		against, p = c.Words(), strconv.FormatFloat(c.Holm, 'g', 2, 64)
	}
	d.open("tr")
	for i, cell := range []string{(&group{subject: f.Subject, params: f.Params}).title(), f.Way, strconv.Itoa(s.N),
		n(s.Median), n(s.Lo), n(s.Hi), n(s.Least), n(s.Most), unit, against, p} {
		d.el("td", cell, "class", numeric(i))
	}
	d.end("tr")
}
