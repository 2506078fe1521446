package page

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sysreflect/sysreflect/experiment/results"
)

// An axis maps values to places, from 0 to 100 percent.
type axis struct {
	lo, hi float64
	log    bool
	label  func(v float64) string
	per    float64 // ticks are round numbers of that
	ticks  []float64
}

const (
	// narrowest is the width of a plot on a small phone: 320 pixels less margins.
	narrowest = 280
	// A character of an axis' label takes that much at most, at 11 pixels.
	characterWidth = 7
	labelGap       = 8
)

// newAxis makes an axis that shows lo to hi, with ticks.
func newAxis(lo, hi float64, log bool, unit string, label func(float64) string) *axis {
	a := &axis{lo: lo, hi: hi, log: log, label: label, per: 1}
	if unit == "B" {
		factor, _ := results.Scale(hi, unit)
		a.per = 1 / factor
	}
	switch {
	case log && lo <= 0:
		a.lo = hi / 1000
		fallthrough
	case log:
		if a.hi <= a.lo {
			a.lo, a.hi = a.lo/1.5, a.lo*1.5
		}
	case a.hi <= a.lo:
		a.lo, a.hi = a.lo-1, a.lo+1
	}
	a.ticks = a.choose()
	return a
}

// at is the place of a value, at the edge where it is beyond.
func (a *axis) at(v float64) float64 {
	p := (v - a.lo) / (a.hi - a.lo)
	if a.log {
		p = math.Log(max(v, a.lo/10)/a.lo) / math.Log(a.hi/a.lo)
	}
	return 100 * min(1, max(0, p))
}

// choose takes the finest ticks whose labels are clear of each other.
func (a *axis) choose() (best []float64) {
	for _, candidate := range a.candidates() {
		if len(candidate) > len(best) && clear(a.boxes(candidate, narrowest)) {
			best = candidate
		}
	}
	if len(best) < 2 {
		best = a.ends()
	}
	return best
}

// ends are ticks near both ends, with two digits: where no round numbers fit.
func (a *axis) ends() (ticks []float64) {
	for _, v := range []float64{a.lo, a.hi} {
		digit := math.Pow(10, math.Floor(math.Log10(math.Abs(v)/a.per))-1) * a.per
		if v == 0 {
			digit = a.per
		}
		up, down := math.Ceil(v/digit)*digit, math.Floor(v/digit)*digit
		if v = down; len(ticks) == 0 {
			v = up
		}
		if v >= a.lo && v <= a.hi && (len(ticks) == 0 || v > ticks[0]) {
			ticks = append(ticks, v)
		}
	}
	if !clear(a.boxes(ticks, narrowest)) {
		return ticks[:1]
	}
	return ticks
}

// candidates are sets of ticks.
func (a *axis) candidates() (sets [][]float64) {
	if a.log {
		for _, digits := range [][]float64{{1, 2, 5}, {1, 3}, {1}, {2}, {5}} {
			sets = append(sets, a.decades(digits, 1, 0))
		}
		for every := 2; every <= 6; every++ {
			for from := range every {
				sets = append(sets, a.decades([]float64{1}, every, from))
			}
		}
		if a.hi/a.lo > 6 {
			return sets
		}
	}
	size := math.Log10((a.hi - a.lo) / a.per)
	for e := math.Floor(size) - 1; e <= math.Ceil(size); e++ {
		for _, digit := range []float64{1, 2, 2.5, 5} {
			sets = append(sets, a.steps(a.per*digit*math.Pow(10, e)))
		}
	}
	return sets
}

func (a *axis) decades(digits []float64, every, from int) (ticks []float64) {
	for e := int(math.Floor(math.Log10(a.lo / a.per))); e <= int(math.Ceil(math.Log10(a.hi/a.per))); e++ {
		if ((e-from)%every+every)%every != 0 {
			continue
		}
		for _, d := range digits {
			if v := a.per * d * math.Pow(10, float64(e)); v >= a.lo*(1-1e-9) && v <= a.hi*(1+1e-9) {
				ticks = append(ticks, v)
			}
		}
	}
	return ticks
}

func (a *axis) steps(step float64) (ticks []float64) {
	for i := math.Ceil(a.lo/step - 1e-9); i*step <= a.hi+step*1e-9 && len(ticks) < 100; i++ {
		ticks = append(ticks, i*step+0) // +0: none is −0
	}
	return ticks
}

// A box is where a text is, in pixels.
type box struct{ left, right float64 }

// anchor is how a label stands to its tick: within the plot at its ends, at every
// width.
func (a *axis) anchor(v float64) string {
	half := characterWidth * float64(utf8.RuneCountInString(a.label(v))) / 2
	switch x := a.at(v) / 100 * narrowest; {
	case x < half:
		return "start"
	case x > narrowest-half:
		return "end"
	}
	return "middle"
}

// boxes are the places of labels in a plot of some width.
func (a *axis) boxes(ticks []float64, width float64) (boxes []box) {
	for _, v := range ticks {
		x, w := a.at(v)/100*width, characterWidth*float64(utf8.RuneCountInString(a.label(v)))
		switch a.anchor(v) {
		case "start":
			boxes = append(boxes, box{x, x + w})
		case "end":
			boxes = append(boxes, box{x - w, x})
		default:
			boxes = append(boxes, box{x - w/2, x + w/2})
		}
	}
	return boxes
}

// clear reports whether no box touches the next one, or leaves the plot by more
// than a margin takes.
func clear(boxes []box) bool {
	for i := 1; i < len(boxes); i++ {
		if boxes[i].left < boxes[i-1].right+labelGap {
			return false
		}
	}
	return true
}

// draw draws the axis as an SVG of its own.
func (a *axis) draw(m *markup) {
	m.open("svg", "class", "axis", "width", "100%", "height", "18", "aria-hidden", "true")
	for _, v := range a.ticks {
		m.leaf("line", "x1", pct(a.at(v)), "x2", pct(a.at(v)), "y1", "0", "y2", "4")
		m.el("text", a.label(v), "x", pct(a.at(v)), "y", "15", "text-anchor", a.anchor(v))
	}
	m.end("svg")
}

// units returns a function that labels values of a unit.
func units(unit string) func(float64) string {
	return func(v float64) string {
		text, u := results.Scaled(v, unit)
		return trim(text) + " " + strings.TrimSuffix(u, "/op")
	}
}

// times labels ratios.
func times(v float64) string { return trim(results.Three(v)) + "×" }

// percents labels shares that are differences.
func percents(v float64) string {
	switch s := strconv.FormatFloat(math.Abs(v), 'g', 4, 64); {
	case v > 0:
		return "+" + s + " %"
	case v < 0:
		return "−" + s + " %"
	}
	return "0 %"
}

// trim takes zeros off the end of a fraction.
func trim(s string) string {
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}
