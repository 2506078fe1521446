package page

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/sysreflect/sysreflect/experiment/results"
)

// A document is what a page is made of.
type document struct {
	markup
	run *results.Run
	of  map[string]*results.Comparison // by the figure's key
}

// value is a figure's median with half of its interval.
func value(f *results.Figure) string {
	s := f.Summary()
	by, unit := results.Scale(s.Median, f.Unit)
	half := by * (s.Hi - s.Lo) / 2
	unit = strings.TrimSuffix(unit, "/op")
	if s.N == 1 {
		return results.Three(by*s.Median) + " " + unit
	}
	return results.Digits(by*s.Median, half) + " " + unit + " ± " + results.Digits(half, half)
}

// rowOf is a figure as a row.
func (d *document) rowOf(f *results.Figure) row {
	s := f.Summary()
	r := row{label: f.Way, under: f.Note, value: value(f), mid: s.Median, lo: s.Lo, hi: s.Hi, samples: f.Samples}
	if c := d.of[f.Key()]; c != nil {
		r.remark, r.open = c.Words(), !c.Significant()
	}
	return r
}

// overview shows a group's figures beside each other.
func (d *document) overview(g *group) {
	c := chart{title: g.title(), reference: math.NaN()}
	var lows, highs extremes
	for _, f := range g.figures {
		c.rows = append(c.rows, d.rowOf(f))
		lo, hi := between(f)
		lows.add(lo)
		highs.add(hi)
		if b := d.run.BaselineOf(f); b != nil {
			c.reference = b.Summary().Median
		}
	}
	log := lows.least > 0
	lo, hi := around(lows.least, highs.most, log)
	c.axis = newAxis(lo, hi, log, g.figures[0].Unit, units(g.figures[0].Unit))
	c.caption = told(g.figures) + " (diamond) with its 95 % interval, on a logarithmic scale; grey: the samples."
	if !log {
		c.caption = told(g.figures) + " (diamond) with its 95 % interval; grey: the samples."
	}
	if !math.IsNaN(c.reference) {
		c.caption += " Dashed: native. A hollow diamond is no difference from it."
	}
	c.draw(&d.markup)
}

// ratioAxis shows what figures take of their baselines' time, all on one axis.
func (d *document) ratioAxis(figures []*results.Figure) *axis {
	var lows, highs extremes
	lows.add(0.95)
	highs.add(1.05)
	for _, f := range figures {
		if k := d.of[f.Key()]; k != nil && !math.IsNaN(k.Ratio.Median) {
			lows.add(k.Ratio.Lo)
			highs.add(k.Ratio.Hi)
		}
	}
	lo, hi := around(max(lows.least, 1e-6), highs.most, true)
	return newAxis(lo, hi, true, "", times)
}

// ratios shows what each figure takes of its baseline's time.
func (d *document) ratios(title string, a *axis, figures []*results.Figure, name func(*results.Figure) string) {
	c := chart{title: title, reference: 1, axis: a,
		caption: "Times the native program's time (dashed: 1), with 95 % intervals of the differences within rounds. Hollow: no difference."}
	for _, f := range figures {
		k := d.of[f.Key()]
		if k == nil || math.IsNaN(k.Ratio.Median) {
			continue
		}
		c.rows = append(c.rows, row{label: name(f), value: times(k.Ratio.Median), remark: k.Words(), open: !k.Significant(),
			mid: k.Ratio.Median, lo: k.Ratio.Lo, hi: k.Ratio.Hi})
	}
	if len(c.rows) > 0 {
		c.draw(&d.markup)
	}
}

// spreads shows how the samples of figures lie around their medians.
func (d *document) spreads(figures []*results.Figure) {
	c := chart{title: "How samples lie around their median", reference: 0,
		caption: "Each sample in percent of its figure's median; the height is the root of how many there are. One shape of all figures is the machine's, a shape of one figure is that figure's."}
	var all []float64
	for _, f := range figures {
		s := f.Summary()
		r := row{label: f.Way, under: (&group{subject: f.Subject, params: f.Params}).title(), mid: math.NaN()}
		for _, v := range f.Samples {
			p := 100 * (v/s.Median - 1)
			r.samples = append(r.samples, p)
			all = append(all, math.Abs(p))
		}
		c.rows = append(c.rows, r)
	}
	if len(all) == 0 {
		return
	}
	all = sortedCopy(all)
	edge := min(100, max(1, all[len(all)*95/100]))
	c.axis = newAxis(-edge, edge, false, "", percents)
	for i := range c.rows {
		r := &c.rows[i]
		beyond := 0
		for _, p := range r.samples {
			if math.Abs(p) > edge {
				beyond++
			}
		}
		s := results.Summarize(r.samples)
		r.value = fmt.Sprintf("%s to %s", percents(round2(s.Least)), percents(round2(s.Most)))
		if beyond > 0 {
			r.remark = fmt.Sprintf("%d of %d beyond the edges", beyond, len(r.samples))
		}
	}
	c.draw(&d.markup)
}

func round2(v float64) float64 {
	by := 10.0
	if math.Abs(v) >= 100 {
		by = 1
	}
	return math.Round(v*by) / by
}

// latencies shows what single calls took.
func (d *document) latencies(g *group) {
	c := chart{title: g.title() + ", call by call", reference: math.NaN(),
		caption: "Each call timed by itself, on a logarithmic scale; the height is the root of how many took that long. Lines: 50, 99 and 99.9 % of calls took at most that."}
	var most extremes
	unit := ""
	for _, f := range g.figures {
		h := f.Histogram
		if h == nil || h.Total() == 0 {
			continue
		}
		unit = f.Unit
		r := row{label: f.Way, mid: math.NaN()}
		for _, b := range h.Bars() {
			r.samples = append(r.samples, (b.Lo+b.Hi)/2)
			r.weights = append(r.weights, float64(b.Count))
		}
		for _, q := range []float64{0.5, 0.99, 0.999} {
			r.marks = append(r.marks, h.Quantile(q))
		}
		scaled := func(v float64) string { return units(f.Unit)(v) }
		r.value = "50 %: " + scaled(h.Quantile(0.5))
		r.remark = "99 %: " + scaled(h.Quantile(0.99)) + ", 99.9 %: " + scaled(h.Quantile(0.999)) + ", all: " + scaled(h.Max())
		most.add(h.Max())
		c.rows = append(c.rows, r)
	}
	if len(c.rows) == 0 {
		return
	}
	// Less than the counter's own steps can't be told apart.
	c.axis = newAxis(5, max(10, most.most*1.1), true, unit, units(unit))
	c.draw(&d.markup)
}

// steps shows where a figure's time goes.
func (d *document) steps(f *results.Figure) {
	if len(f.Steps) < 2 {
		return
	}
	total := f.Summary().Median
	c := chart{title: "Where the time goes: " + (&group{subject: f.Subject, params: f.Params}).title() + ", " + f.Way,
		caption: "Each step is measured, by two variants or by clocks; together they take " + units(f.Unit)(total) + ".", reference: math.NaN()}
	at, most := 0.0, total
	for _, s := range f.Steps {
		r := row{label: s.Name, under: s.What, bar: true, lo: min(at, at+s.Cost), hi: max(at, at+s.Cost)}
		at += s.Cost
		most = max(most, at)
		r.value = results.Digits(s.Cost, (s.Hi-s.Lo)/2) + " " + strings.TrimSuffix(f.Unit, "/op")
		r.remark = results.Digits(s.Lo, (s.Hi-s.Lo)/2) + " to " + results.Digits(s.Hi, (s.Hi-s.Lo)/2)
		c.rows = append(c.rows, r)
	}
	c.axis = newAxis(0, most, false, f.Unit, units(f.Unit))
	c.draw(&d.markup)
}

// told names what stands for figures: medians, but for those that a mean tells.
func told(figures []*results.Figure) string {
	if slices.ContainsFunc(figures, (*results.Figure).IsMean) {
		return "Median, by signals the mean of sessions,"
	}
	return "Median"
}
