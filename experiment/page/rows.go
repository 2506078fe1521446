package page

import (
	"math"

	"github.com/sysreflect/sysreflect/experiment/results"
)

// A row is one line of a chart.
type row struct {
	label, under  string // what it is, and more of it in small letters
	value, remark string // what it says
	mid, lo, hi   float64
	samples       []float64
	weights       []float64 // of samples, nil for 1 each
	open          bool      // drawn hollow: no difference
	bar           bool      // a bar from lo to hi, without a mark
	marks         []float64 // further places, as short lines
	spoken        string    // the row in words, for who can't see it
}

// A chart is rows over one axis.
type chart struct {
	title, caption string
	axis           *axis
	reference      float64 // a line that the rows are to be seen against, NaN for none
	rows           []row
}

const (
	rowHeight = 26 // at least, as page.css says
	// Distributions are drawn in so many bins.
	bins = 110
	// Fewer samples are drawn one by one.
	few = 24
)

func (c *chart) draw(m *markup) {
	m.open("figure")
	m.open("figcaption")
	m.el("strong", c.title)
	if c.caption != "" {
		m.el("span", c.caption)
	}
	m.end("figcaption")
	m.open("div", "class", "chart")
	for i := range c.rows {
		c.rows[i].draw(m, c)
	}
	m.raw(`<div class="line-of"><div class="plot">`)
	c.axis.draw(m)
	m.raw("</div></div>\n")
	m.end("div")
	m.end("figure")
}

func (r *row) draw(m *markup, c *chart) {
	m.open("div", "class", "line-of")
	m.open("div", "class", "label")
	m.el("b", r.label)
	if r.under != "" {
		m.el("small", r.under)
	}
	m.end("div")
	m.open("div", "class", "plot")
	spoken := r.spoken
	if spoken == "" {
		spoken = r.label + ": " + r.value + " " + r.remark
	}
	m.open("svg", "class", "row", "width", "100%", "height", "100%", "role", "img", "aria-label", spoken)
	a := c.axis
	for _, v := range a.ticks {
		m.leaf("line", "class", "grid", "x1", pct(a.at(v)), "x2", pct(a.at(v)), "y1", "0", "y2", "100%")
	}
	if !math.IsNaN(c.reference) {
		m.leaf("line", "class", "reference", "x1", pct(a.at(c.reference)), "x2", pct(a.at(c.reference)), "y1", "0", "y2", "100%")
	}
	// All else is placed from the row's middle, however high its texts make it.
	m.open("svg", "y", "50%", "overflow", "visible", "width", "100%", "height", "1")
	r.distribution(m, a)
	if r.bar {
		x, w := a.at(r.lo), a.at(r.hi)-a.at(r.lo)
		m.leaf("rect", "class", "bar", "x", pct(x), "width", pct(max(w, 0.3)), "y", "-7", "height", "14")
	} else if !math.IsNaN(r.mid) {
		r.interval(m, a)
	}
	for _, v := range r.marks {
		vertical(m, "mark", a.at(v), -8, 8)
	}
	m.raw("</svg>")
	m.end("svg")
	m.end("div")
	m.open("div", "class", "value")
	m.text(r.value)
	if r.remark != "" {
		m.el("small", r.remark)
	}
	m.end("div")
	m.end("div")
}

func vertical(m *markup, class string, at, from, to float64) {
	m.leaf("line", "class", class, "x1", pct(at), "x2", pct(at), "y1", px(from), "y2", px(to))
}

// interval draws the median as a diamond and its interval as a line with ends.
func (r *row) interval(m *markup, a *axis) {
	lo, hi := a.at(r.lo), a.at(r.hi)
	m.leaf("line", "class", "interval", "x1", pct(lo), "x2", pct(hi), "y1", "0", "y2", "0")
	vertical(m, "interval", lo, -4, 4)
	vertical(m, "interval", hi, -4, 4)
	class := "median"
	if r.open {
		class = "median open"
	}
	shape(m, 0, class, a.at(r.mid), "0")
}

// distribution draws samples: few as lines, many as a shape that is as high as they
// are frequent.
func (r *row) distribution(m *markup, a *axis) {
	if len(r.samples) <= few && r.weights == nil {
		for _, v := range r.samples {
			if v >= a.lo && v <= a.hi {
				vertical(m, "sample", a.at(v), -8, 8)
			}
		}
		return
	}
	var counts [bins]float64
	most := 0.0
	for i, v := range r.samples {
		if v < a.lo && r.weights == nil || v > a.hi {
			continue
		}
		w := 1.0
		if r.weights != nil {
			w = r.weights[i]
		}
		b := min(bins-1, int(a.at(v)/100*bins))
		counts[b] += w
		most = max(most, counts[b])
	}
	for b, n := range counts {
		if n == 0 {
			continue
		}
		// The root, so that single values can be seen beside hundreds.
		h := max(1.5, (rowHeight-4)*math.Sqrt(n/most))
		m.leaf("rect", "class", "density", "x", pct(100*float64(b)/bins), "width", pct(100.0/bins), "y", px(-h/2), "height", px(h))
	}
}

// shape draws one of several marks at a place: diamond, circle, square, triangles,
// cross.
func shape(m *markup, which int, class string, x float64, y string) {
	m.open("svg", "x", pct(x), "y", y, "overflow", "visible", "width", "1", "height", "1")
	m.leaf("path", "class", class, "d", shapes(which))
	m.raw("</svg>")
}

func shapes(which int) string {
	switch which % 8 {
	case 0:
		return "M0 -6L5 0L0 6L-5 0Z"
	case 1:
		return "M-4.5 0A4.5 4.5 0 1 1 4.5 0A4.5 4.5 0 1 1 -4.5 0Z"
	case 2:
		return "M-4 -4H4V4H-4Z"
	case 3:
		return "M0 -5.5L5 4H-5Z"
	case 4:
		return "M0 5.5L5 -4H-5Z"
	case 5:
		return "M-5 -1.5H-1.5V-5H1.5V-1.5H5V1.5H1.5V5H-1.5V1.5H-5Z"
	case 6:
		return "M-6 -2.5H6V2.5H-6Z"
	}
	return "M-2.5 -6H2.5V6H-2.5Z"
}

// around returns the axis limits for values, with room at both sides.
func around(lo, hi float64, log bool) (float64, float64) {
	if log {
		room := math.Pow(hi/lo, 0.04)
		return lo / max(room, 1.02), hi * max(room, 1.02)
	}
	room := 0.04 * (hi - lo)
	return lo - room, hi + room
}

// between returns the values that all but a few samples lie between.
func between(f *results.Figure) (lo, hi float64) {
	s := f.Summary()
	sorted := sortedCopy(f.Samples)
	return min(s.Lo, sorted[len(sorted)*2/100]), max(s.Hi, sorted[(len(sorted)-1)*97/100])
}
