package overhead

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/sysreflect/sysreflect/experiment/results"
)

// Width is what no line of the text goes beyond.
const Width = 72

// TextOptions say how a run is printed.
type TextOptions struct {
	Cycles bool // of the time stamp counter, in place of nanoseconds
	All    bool // every figure with its interval, not medians alone where there are many
}

// A printer writes a run as plain text.
type printer struct {
	*bufio.Writer
	run  *results.Run
	o    TextOptions
	rate float64 // nanoseconds to the unit
	unit string
	of   map[string]results.Comparison // by the figure's key
}

// WriteText writes a run as plain text, fit for a mail.
func WriteText(w io.Writer, run *results.Run, o TextOptions) error {
	if err := WriteFigures(w, run, o); err != nil {
		return err
	}
	p := &printer{Writer: bufio.NewWriter(w), run: run, rate: 1, unit: "ns"}
	if o.Cycles && run.Machine.TSCHz > 0 {
		p.rate, p.unit = run.Machine.TSCHz/1e9, "cycles"
	}
	p.end()
	return p.Flush()
}

// WriteFigures writes the figures alone.
func WriteFigures(w io.Writer, run *results.Run, o TextOptions) error {
	p := &printer{Writer: bufio.NewWriter(w), run: run, o: o, rate: 1, unit: "ns", of: map[string]results.Comparison{}}
	if o.Cycles && run.Machine.TSCHz > 0 {
		p.rate, p.unit = run.Machine.TSCHz/1e9, "cycles"
	}
	for _, c := range run.Comparisons() {
		p.of[c.Figure.Key()] = c
	}
	for _, s := range p.sections() {
		p.section(s)
	}
	p.placed()
	p.grids()
	p.steps()
	p.latencies()
	return p.Flush()
}

// A section is a table with a title, of figures that differ in their way.
type section struct {
	title   string
	figures []*results.Figure
}

// title is what stands above a figure's section, "" where it has none.
func (p *printer) title(f *results.Figure, sizes []int) (title string) {
	threads := f.Param("threads")
	if threads != "" && !p.o.All {
		return "" // a grid
	}
	switch f.Subject {
	case "null":
		title = "null call: getppid answered by a constant"
	case "passthrough":
		title = "pass-through: getuid, made by the kernel all the same"
	case "getrandom":
		if !p.o.All && len(sizes) > 1 && f.Param("bytes") != strconv.Itoa(p.shown(sizes)) {
			return ""
		}
		title = "getrandom, " + f.Param("bytes") + " bytes"
	case "time":
		title = "clock_gettime(CLOCK_MONOTONIC)"
	case "tax":
		title = "tax: getgid, which no rule reflects"
	case "spawn":
		switch f.Param("what") {
		case "start":
			title = "start: from vfork to wait, of a program that ends at once"
		case "exec":
			title = "exec: the same, started by a reflected program"
		case "fork":
			title = "fork: a child that ends at once, of a reflected program"
		}
	case "memory":
		title = "memory for itself alone: the " + f.Param("of")
	default:
		return ""
	}
	switch threads {
	case "":
	case "1":
		title += ", 1 thread"
	default:
		title += ", " + threads + " threads"
	}
	return title
}

func (p *printer) sections() (all []section) {
	at := map[string]int{}
	sizes := p.sizes()
	for i := range p.run.Figures {
		f := &p.run.Figures[i]
		title := p.title(f, sizes)
		if title == "" || f.Way == again || len(f.Samples) == 0 {
			continue
		}
		i, ok := at[title]
		if !ok {
			i = len(all)
			at[title] = i
			all = append(all, section{title: title})
		}
		all[i].figures = append(all[i].figures, f)
	}
	rank := map[string]int{}
	for i, s := range Subjects() {
		rank[s] = i
	}
	slices.SortStableFunc(all, func(a, b section) int { return rank[a.figures[0].Subject] - rank[b.figures[0].Subject] })
	return all
}

// sizes are the lengths that getrandom was measured with by one thread.
func (p *printer) sizes() (sizes []int) {
	for i := range p.run.Figures {
		f := &p.run.Figures[i]
		n, err := strconv.Atoi(f.Param("bytes"))
		if f.Subject == "getrandom" && f.Param("threads") == "" && err == nil && !slices.Contains(sizes, n) {
			sizes = append(sizes, n)
		}
	}
	slices.Sort(sizes)
	return sizes
}

// shown is the length that is shown with intervals.
func (p *printer) shown(sizes []int) int {
	if slices.Contains(sizes, 16) {
		return 16
	}
	return sizes[0]
}

// scale returns what a figure's samples are divided by, and the unit then.
func (p *printer) scale(f *results.Figure) (times float64, unit string) {
	switch f.Unit {
	case "ns/op":
		return p.rate, p.unit
	case "µs":
		if p.o.Cycles {
			return 1000 * p.rate, p.unit
		}
	case "B":
		return 1.0 / 1024, "KiB"
	}
	return 1, f.Unit
}

func (p *printer) section(s section) {
	_, unit := p.scale(s.figures[0])
	interval := "95 % interval"
	if slices.ContainsFunc(s.figures, func(f *results.Figure) bool { return len(f.Samples) < results.LeastSamples }) {
		interval = "least to most"
	}
	fmt.Fprintf(p, "%s\n  %-15s %9s  %-19s %9s\n", s.title, unit, "median", interval, "ratio")
	var notes []string
	for _, f := range s.figures {
		times, _ := p.scale(f)
		m := f.Summary()
		mark := ""
		note := func(text string) {
			i := slices.Index(notes, text)
			if i < 0 {
				i = len(notes)
				notes = append(notes, text)
			}
			mark += " (" + strconv.Itoa(i+1) + ")"
		}
		if f.IsMean() {
			note("a mean of sessions, not a median")
		}
		if f.Note != "" {
			note(f.Note)
		}
		interval := number(m.Lo*times) + " to " + number(m.Hi*times)
		p.line(fmt.Sprintf("  %-15s %9s  %-19s %9s%s%s", f.Way, number(m.Median*times), interval, p.ratio(f), p.verdict(f), mark))
	}
	for i, n := range notes {
		p.wrap(fmt.Sprintf("  (%d) ", i+1), n)
	}
	p.WriteByte('\n')
}

func (p *printer) line(s string) { fmt.Fprintln(p, strings.TrimRight(s, " ")) }

func (p *printer) ratio(f *results.Figure) string {
	c, ok := p.of[f.Key()]
	if !ok {
		return ""
	}
	return number(c.Ratio.Median)
}

// verdict says where a difference is none.
func (p *printer) verdict(f *results.Figure) string {
	c, ok := p.of[f.Key()]
	if !ok || f.Subject == "memory" || c.Significant() {
		return ""
	}
	return "  n.s."
}

// number prints three to four digits.
func number(v float64) string {
	a := math.Abs(v)
	switch {
	case math.IsNaN(v):
		return "-"
	case a < 0.0005:
		return "0"
	case a < 0.1:
		return strconv.FormatFloat(v, 'f', 4, 64)
	case a < 10:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case a < 1000:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}
