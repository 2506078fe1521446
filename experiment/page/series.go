package page

import (
	"strconv"
	"strings"

	"github.com/sysreflect/sysreflect/experiment/results"
)

// A series is one way's values over a parameter.
type series struct {
	name   string
	x, y   []float64
	lo, hi []float64
}

// A plot is lines over two logarithmic axes.
type plot struct {
	title, caption string
	x, y           *axis
	series         []series
}

const plotHeight = 300

// dashes tell lines apart, together with shapes.
func dashes(which int) string {
	return [...]string{"", "7 3", "2 3", "9 3 2 3", "5 5", "1 5", "12 3", "3 2 3 6"}[which%8]
}

func (p *plot) draw(m *markup) {
	m.open("figure")
	m.open("figcaption")
	m.el("strong", p.title)
	m.el("span", p.caption)
	m.end("figcaption")
	m.open("ul", "class", "legend")
	for i := range p.series {
		m.open("li")
		m.open("svg", "width", "44", "height", "14", "aria-hidden", "true")
		m.leaf("line", "class", "line", "x1", "0", "x2", "44", "y1", "7", "y2", "7", "stroke-dasharray", dashes(i))
		m.open("svg", "x", "22", "y", "7", "overflow", "visible", "width", "1", "height", "1")
		m.leaf("path", "class", "point", "d", shapes(i+1))
		m.raw("</svg>")
		m.end("svg")
		m.text(p.series[i].name)
		m.end("li")
	}
	m.end("ul")
	m.open("div", "class", "xy")
	p.left(m)
	m.open("svg", "class", "plane", "width", "100%", "height", px(plotHeight), "role", "img", "aria-label", p.spoken())
	for _, v := range p.y.ticks {
		y := pct(100 - p.y.at(v))
		m.leaf("line", "class", "grid", "x1", "0", "x2", "100%", "y1", y, "y2", y)
	}
	for _, v := range p.x.ticks {
		vertical(m, "grid", p.x.at(v), 0, plotHeight)
	}
	for i := range p.series {
		p.series[i].draw(m, p, i)
	}
	m.end("svg")
	m.raw("<div></div><div>")
	p.x.draw(m)
	m.raw("</div>")
	m.end("div")
	m.end("figure")
}

// left draws the labels of the axis that goes up.
func (p *plot) left(m *markup) {
	m.open("svg", "class", "axis", "width", "100%", "height", px(plotHeight), "aria-hidden", "true")
	for _, v := range p.y.ticks {
		m.el("text", p.y.label(v), "x", "100%", "dx", "-6", "y", pct(100-p.y.at(v)), "dy", "4", "text-anchor", "end")
	}
	m.end("svg")
}

func (s *series) draw(m *markup, p *plot, which int) {
	// Only a box of its own can stretch a line's points; its width stays.
	m.open("svg", "viewBox", "0 0 100 100", "preserveAspectRatio", "none", "width", "100%", "height", "100%", "overflow", "visible")
	var points strings.Builder
	for i := range s.x {
		points.WriteString(strconv.FormatFloat(p.x.at(s.x[i]), 'f', 2, 64) + "," + strconv.FormatFloat(100-p.y.at(s.y[i]), 'f', 2, 64) + " ")
	}
	m.leaf("polyline", "class", "line", "points", strings.TrimSpace(points.String()), "stroke-dasharray", dashes(which), "vector-effect", "non-scaling-stroke")
	m.raw("</svg>")
	for i := range s.x {
		x := pct(p.x.at(s.x[i]))
		m.leaf("line", "class", "error", "x1", x, "x2", x, "y1", pct(100-p.y.at(s.lo[i])), "y2", pct(100-p.y.at(s.hi[i])))
		shape(m, which+1, "point", p.x.at(s.x[i]), pct(100-p.y.at(s.y[i])))
	}
}

func (p *plot) spoken() string {
	var b strings.Builder
	b.WriteString(p.title)
	for _, s := range p.series {
		b.WriteString("; " + s.name + ": ")
		for i := range s.x {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(p.x.label(s.x[i]) + " " + p.y.label(s.y[i]))
		}
	}
	return b.String()
}

// newPlot makes a plot of figures that differ in their way and in one parameter.
func newPlot(title, caption, parameter string, figures []*results.Figure) *plot {
	p := &plot{title: title, caption: caption}
	lowX, highX, lowY, highY := extremes{}, extremes{}, extremes{}, extremes{}
	for _, f := range figures {
		x, err := strconv.ParseFloat(f.Params[parameter], 64)
		if err != nil || x <= 0 {
			continue
		}
		i := 0
		for i < len(p.series) && p.series[i].name != f.Way {
			i++
		}
		if i == len(p.series) {
			p.series = append(p.series, series{name: f.Way})
		}
		sum, s := f.Summary(), &p.series[i]
		s.x, s.y, s.lo, s.hi = append(s.x, x), append(s.y, sum.Median), append(s.lo, sum.Lo), append(s.hi, sum.Hi)
		lowX.add(x)
		highX.add(x)
		lowY.add(sum.Lo)
		highY.add(sum.Hi)
	}
	if len(p.series) == 0 {
		return nil
	}
	lo, hi := around(lowX.least, highX.most, true)
	p.x = newAxis(lo, hi, true, "", func(v float64) string { return trim(results.Three(v)) })
	// What was measured stands on the axis, as far as there is room.
	for every := 1; every <= 3; every++ {
		if values := each(p.series[0].x, every); clear(p.x.boxes(values, narrowest-60)) {
			p.x.ticks = values
			break
		}
	}
	lo, hi = around(max(lowY.least, highY.most/1e9), highY.most, true)
	p.y = newAxis(lo, hi, true, figures[0].Unit, units(figures[0].Unit))
	p.y.ticks = p.y.up()
	return p
}

// each returns every so many of values.
func each(values []float64, every int) (out []float64) {
	for i := 0; i < len(values); i += every {
		out = append(out, values[i])
	}
	return out
}

// up returns the ticks of an axis that goes up: lines of text need less room there.
func (a *axis) up() (best []float64) {
	const line = 16.0
	for _, candidate := range a.candidates() {
		ok := true
		for i := 1; i < len(candidate); i++ {
			ok = ok && (a.at(candidate[i])-a.at(candidate[i-1]))/100*plotHeight >= line
		}
		// The first and the last one must not be cut by the edge.
		for len(candidate) > 0 && a.at(candidate[0])/100*plotHeight < line/2 {
			candidate = candidate[1:]
		}
		for n := len(candidate); n > 0 && (100-a.at(candidate[n-1]))/100*plotHeight < line/2; n = len(candidate) {
			candidate = candidate[:n-1]
		}
		if ok && len(candidate) > len(best) {
			best = candidate
		}
	}
	return best
}

// extremes collect the least and the most of values.
type extremes struct {
	least, most float64
	any         bool
}

func (e *extremes) add(v float64) {
	if !e.any || v < e.least {
		e.least = v
	}
	if !e.any || v > e.most {
		e.most = v
	}
	e.any = true
}
