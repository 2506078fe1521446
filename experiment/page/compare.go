package page

import (
	"cmp"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/sysreflect/sysreflect/experiment/results"
)

// WriteCompared writes what became of the figures of one run in another as a page.
// The names are those of their files.
func WriteCompared(w io.Writer, a, b *results.Run, nameA, nameB string) error {
	d := &document{run: b, of: map[string]*results.Comparison{}}
	both, onlyA, onlyB := results.CompareRuns(a, b)
	title := "reflect bench compare " + nameA + " " + nameB
	d.head(title)
	d.el("h1", title)
	d.open("section", "class", "answer")
	d.el("p", results.Tally(both))
	d.open("ul")
	const most = 6
	var differ []*results.Across
	for i := range both {
		if both[i].Significant() {
			differ = append(differ, &both[i])
		}
	}
	slices.SortStableFunc(differ, func(x, y *results.Across) int { return cmp.Compare(y.Weight(), x.Weight()) })
	for _, x := range differ[:min(most, len(differ))] {
		words := x.Words()
		if x.Relative.N > 0 {
			words += "; relative to its baseline " + x.RelativeWords()
		}
		d.item(x.Figure.Key(), words)
	}
	if len(differ) > most {
		d.el("li", "and others, below")
	}
	d.end("ul")
	d.end("section")
	d.environments(a, b)
	d.across(both)
	for _, only := range []struct {
		where string
		keys  []string
	}{{nameA, onlyA}, {nameB, onlyB}} {
		if len(only.keys) > 0 {
			d.el("p", "Only in "+only.where+": "+strings.Join(only.keys, ", "), "class", "soft")
		}
	}
	d.acrossNumbers(both)
	for _, run := range []struct {
		name string
		run  *results.Run
	}{{nameA, a}, {nameB, b}} {
		d.el("h2", run.name)
		d.el("p", run.run.When.Format("2 January 2006, 15:04 MST"), "class", "soft")
		d.open("pre")
		d.text(results.CommandLine(run.run.Command))
		d.end("pre")
		d.run = run.run
		d.machine()
	}
	d.foot()
	_, err := w.Write(d.b)
	return err
}

// environments says what the two runs were not alike in.
func (d *document) environments(a, b *results.Run) {
	d.el("h2", "What the two were not alike in")
	differences := results.Differences(a, b)
	if len(differences) == 0 {
		d.el("p", "Nothing that is known of them.")
		return
	}
	d.open("table")
	d.open("tr")
	for _, h := range []string{"", "before", "after"} {
		d.el("th", h, "scope", "col")
	}
	d.end("tr")
	for _, x := range differences {
		d.open("tr")
		d.el("th", x.What, "scope", "row")
		d.el("td", x.A)
		d.el("td", x.B)
		d.end("tr")
	}
	d.end("table")
}

// across draws ratios, a chart for each subject.
func (d *document) across(both []results.Across) {
	d.el("h2", "Figures")
	for len(both) > 0 {
		n := 1
		for n < len(both) && both[n].Figure.Subject == both[0].Figure.Subject {
			n++
		}
		d.acrossSubject(both[:n])
		both = both[n:]
	}
}

func (d *document) acrossSubject(both []results.Across) {
	c := chart{title: subjectTitle(both[0].Figure.Subject, both[0].Figure.Params), reference: 1,
		caption: "Times what it was before (dashed: 1), with 95 % intervals. Hollow: no difference."}
	if name, ok := strings.CutPrefix(both[0].Figure.Subject, "workload:"); ok {
		c.title = name
	}
	var lows, highs extremes
	lows.add(0.95)
	highs.add(1.05)
	for i := range both {
		x := &both[i]
		if math.IsNaN(x.Ratio.Median) || math.IsInf(x.Ratio.Median, 0) || x.Ratio.Lo <= 0 || math.IsInf(x.Ratio.Hi, 0) {
			continue
		}
		params := (&group{subject: x.Figure.Subject, params: x.Figure.Params}).title()
		if params == c.title {
			params = ""
		}
		c.rows = append(c.rows, row{label: x.Figure.Way, under: params, value: times(x.Ratio.Median), remark: x.Words(),
			mid: x.Ratio.Median, lo: x.Ratio.Lo, hi: x.Ratio.Hi, open: !x.Significant()})
		lows.add(x.Ratio.Lo)
		highs.add(x.Ratio.Hi)
	}
	if len(c.rows) == 0 {
		return
	}
	lo, hi := around(max(lows.least, 1e-6), highs.most, true)
	c.axis = newAxis(lo, hi, true, "", times)
	c.draw(&d.markup)
}

func (d *document) acrossNumbers(both []results.Across) {
	d.el("h2", "Every figure")
	d.open("div", "class", "wide", "tabindex", "0", "role", "region", "aria-label", "every figure in numbers")
	d.open("table")
	d.open("tr")
	for _, h := range []string{"figure", "before", "after", "after is", "beside its own baseline"} {
		d.el("th", h, "scope", "col")
	}
	d.end("tr")
	for i := range both {
		x := &both[i]
		d.open("tr")
		for _, cell := range []string{x.Figure.Key(), value(x.Comparison.Baseline), value(x.Figure), x.Words(), x.RelativeWords()} {
			d.el("td", cell)
		}
		d.end("tr")
	}
	d.end("table")
	d.end("div")
	d.el("p", "Beside its own baseline: the figure's ratio to the native one of its run, after over before, so that a processor that is faster throughout drops out.", "class", "soft")
}
