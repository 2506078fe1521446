package results

import (
	"math"
	"strconv"
	"strings"
)

// Words says what a comparison found, as the end of a sentence that begins with
// the figure's way: "1.3 % ± 0.4 slower than native". The ± is half of the
// interval, which is told by its ends where it is lopsided: "24 % (8 to 62) slower
// than native". What is no difference is called "n.s.", with what was seen all the
// same.
func (c *Comparison) Words() string {
	base, r := c.Baseline.Way, c.Ratio
	more, less, long, fast := " slower than ", " faster than ", " times as long as ", " times as fast as "
	timed := c.Figure == nil || timed(c.Figure.Unit)
	if !timed {
		more, less, long = " more than ", " less than ", " times as much as "
	}
	switch {
	case math.IsNaN(r.Median):
		return "not measured"
	case !c.Significant():
		half := 100 * (r.Hi - r.Lo) / 2
		return "n.s. (" + signed(100*(r.Median-1), half) + " % ± " + Digits(half, half) + ")"
	case r.Median >= 2:
		return Within(r.Median, r.Lo, r.Hi, "") + long + base
	case r.Median <= 0.5 && timed && r.Lo > 0:
		return Within(1/r.Median, 1/r.Hi, 1/r.Lo, "") + fast + base
	case r.Median > 1:
		return Within(100*(r.Median-1), 100*(r.Lo-1), 100*(r.Hi-1), " %") + more + base
	}
	return Within(100*(1-r.Median), 100*(1-r.Hi), 100*(1-r.Lo), " %") + less + base
}

// Within is a value with its interval: ± half of it, or its ends where it is lopsided.
func Within(v, lo, hi float64, unit string) string {
	half := (hi - lo) / 2
	up, down := hi-v, v-lo
	if max(up, down) > 2*min(up, down) && max(up, down) > 0.02*math.Abs(v) {
		return Digits(v, half) + unit + " (" + minus(Digits(lo, half)) + " to " + minus(Digits(hi, half)) + ")"
	}
	return Digits(v, half) + unit + " ± " + Digits(half, half)
}

func signed(v, half float64) string {
	if v >= 0 {
		return "+" + Digits(v, half)
	}
	return "−" + Digits(-v, half)
}

// minus writes a sign as people do.
func minus(s string) string {
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		return "−" + rest
	}
	return s
}

// Short is what a comparison found in few characters: "+1.3 %", "4.1×", "n.s.".
func (c *Comparison) Short() string {
	r, half := c.Ratio.Median, (c.Ratio.Hi-c.Ratio.Lo)/2
	switch {
	case math.IsNaN(r):
		return "?"
	case !c.Significant():
		return "n.s."
	case r >= 2:
		return Digits(r, half) + "×"
	case r <= 0.5:
		return Digits(1/r, half/r/r) + "× faster"
	case r >= 1:
		return "+" + Digits(100*(r-1), 100*half) + " %"
	}
	return "−" + Digits(100*(1-r), 100*half) + " %"
}

// timed reports whether a unit is one of time: less is faster then.
func timed(unit string) bool {
	_, u := Scale(1, unit)
	return strings.HasSuffix(strings.TrimSuffix(u, "/op"), "s") && u != "calls"
}

// Digits writes v with as many decimals as an uncertainty leaves meaning to: its
// own first digit is the last one. Where there is hardly any, a few digits say
// enough.
func Digits(v, uncertainty float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "?"
	}
	decimals := 1
	if u := math.Abs(uncertainty); u > 0 && !math.IsInf(u, 0) {
		decimals = int(math.Ceil(-math.Log10(u)))
	}
	most := 3
	if a := math.Abs(v); a > 0 && a < 1 {
		most = 3 + int(math.Ceil(-math.Log10(a)))
	}
	return strconv.FormatFloat(v, 'f', min(max(0, decimals), most), 64)
}

// Scaled returns a value in a unit as people read it: its number with an
// uncertainty's digits, and the unit that makes it neither tiny nor huge.
func Scaled(v float64, unit string) (text, newUnit string) {
	factor, u := Scale(v, unit)
	return Three(v * factor), u
}

// Scale returns what to multiply values around v with to have them in a handier
// unit, and that.
func Scale(v float64, unit string) (factor float64, newUnit string) {
	v = math.Abs(v)
	at, per, ok := 0.0, "", false
	switch unit {
	case "ns/op":
		at, per, ok = 1e-9, "/op", true
	case "ns":
		at, ok = 1e-9, true
	case "µs", "us":
		at, ok = 1e-6, true
	case "ms":
		at, ok = 1e-3, true
	case "s":
		at, ok = 1, true
	case "B":
		switch {
		case v >= 1<<20:
			return 1.0 / (1 << 20), "MiB"
		case v >= 1<<10:
			return 1.0 / (1 << 10), "KiB"
		}
		return 1, "B"
	}
	if !ok || v == 0 || math.IsNaN(v) {
		return 1, unit
	}
	switch s := v * at; {
	case s < 1e-6:
		return at * 1e9, "ns" + per
	case s < 1e-3:
		return at * 1e6, "µs" + per
	case s < 1:
		return at * 1e3, "ms" + per
	}
	return at, "s" + per
}

// Three writes a number with three significant digits, or all before the point.
func Three(v float64) string {
	a := math.Abs(v)
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "?"
	case a == math.Trunc(a) || a >= 99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 0.9995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
