package overhead

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sysreflect/sysreflect/experiment/machine"
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
	fmt.Fprintf(p, "%s\n  %-15s %9s  %-19s %9s\n", s.title, unit, "median", "95 %", "ratio")
	var notes []string
	for _, f := range s.figures {
		times, _ := p.scale(f)
		m := f.Summary()
		mark := ""
		if f.Note != "" {
			i := slices.Index(notes, f.Note)
			if i < 0 {
				i = len(notes)
				notes = append(notes, f.Note)
			}
			mark = " (" + strconv.Itoa(i+1) + ")"
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

// A grid has the medians of one call by one parameter.
type grid struct {
	title   string
	rows    []string // ways
	columns []int
	cells   map[string]*results.Figure // by way and column
}

// grids are the tables of medians where intervals would be too many.
func (p *printer) grids() {
	if p.o.All {
		return
	}
	var all []*grid
	for i := range p.run.Figures {
		f := &p.run.Figures[i]
		title, param := "", "bytes"
		switch {
		case f.Way == again || len(f.Samples) == 0:
			continue
		case f.Param("threads") != "":
			title, param = f.Subject+", "+f.Param("bytes")+" bytes", "threads"
			if f.Param("bytes") == "" {
				title = f.Subject
			}
			title += ", by number of threads"
		case f.Subject == "getrandom":
			title = "getrandom by length in bytes"
		default:
			continue
		}
		n, err := strconv.Atoi(f.Param(param))
		if err != nil {
			continue
		}
		i := slices.IndexFunc(all, func(g *grid) bool { return g.title == title })
		if i < 0 {
			i = len(all)
			all = append(all, &grid{title: title, cells: map[string]*results.Figure{}})
		}
		g := all[i]
		if !slices.Contains(g.rows, f.Way) {
			g.rows = append(g.rows, f.Way)
		}
		if !slices.Contains(g.columns, n) {
			g.columns = append(g.columns, n)
		}
		g.cells[f.Way+" "+strconv.Itoa(n)] = f
	}
	for _, g := range all {
		if len(g.columns) > 1 {
			p.grid(g)
		}
	}
}

func (p *printer) grid(g *grid) {
	slices.Sort(g.columns)
	g.columns = g.columns[:min(len(g.columns), 6)] // the width of a mail
	fmt.Fprintf(p, "%s, median %s\n  %-15s", g.title, p.unit, "")
	for _, n := range g.columns {
		fmt.Fprintf(p, " %7d", n)
	}
	p.WriteByte('\n')
	for _, way := range g.rows {
		fmt.Fprintf(p, "  %-15s", way)
		for _, n := range g.columns {
			cell := "-"
			if f := g.cells[way+" "+strconv.Itoa(n)]; f != nil {
				cell = number(f.Summary().Median * p.rate)
			}
			fmt.Fprintf(p, " %7s", cell)
		}
		p.WriteByte('\n')
	}
	p.WriteByte('\n')
}

func (p *printer) steps() {
	head := false
	for i := range p.run.Figures {
		f := &p.run.Figures[i]
		if len(f.Steps) == 0 {
			continue
		}
		if !head {
			fmt.Fprintf(p, "where getrandom(16) goes, %s, by differences of measured variants\n", p.unit)
			head = true
		}
		for k, s := range f.Steps {
			way := ""
			if k == 0 {
				way = f.Way
			}
			fmt.Fprintf(p, "  %-15s %9s  %-19s %s\n", way, number(s.Cost*p.rate), number(s.Lo*p.rate)+" to "+number(s.Hi*p.rate), s.Name)
		}
	}
	if head {
		p.WriteByte('\n')
	}
}

func (p *printer) latencies() {
	head := false
	for i := range p.run.Figures {
		f := &p.run.Figures[i]
		if f.Histogram == nil || f.Histogram.Total() == 0 || f.Subject == "passthrough" {
			continue
		}
		if !head {
			fmt.Fprintf(p, "calls timed one by one, %s, reading the counter subtracted\n  %-25s %7s %7s %7s %7s %8s\n",
				p.unit, "", "50 %", "90 %", "99 %", "99.9 %", "most")
			head = true
		}
		fmt.Fprintf(p, "  %-25s", f.Subject+" "+f.Way)
		for _, q := range []float64{0.5, 0.9, 0.99, 0.999} {
			fmt.Fprintf(p, " %7s", number(f.Histogram.Quantile(q)*p.rate))
		}
		fmt.Fprintf(p, " %8s\n", number(f.Histogram.Max()*p.rate))
	}
	if head {
		p.WriteByte('\n')
	}
}

// end says what was subtracted, what the noise is, what was left out, and on what
// machine it was.
// WriteEnd writes what stands below the figures of any run: noise, notes, the machine,
// and what repeats it.
func WriteEnd(w io.Writer, run *results.Run) error {
	p := &printer{Writer: bufio.NewWriter(w), run: run, rate: 1, unit: "ns"}
	p.end()
	return p.Flush()
}

func (p *printer) end() {
	if line := p.subtracted(); line != "" {
		p.wrap("", line)
	}
	if line := p.noise(); line != "" {
		p.wrap("", line+"; n.s.: no difference beyond that and chance (Mann-Whitney, Holm)")
	}
	for _, l := range p.run.LeftOut {
		what := l.Way
		if l.Subject != "" {
			what = strings.TrimSpace(l.Subject + " " + l.Way)
		}
		p.wrap("", "left out: "+what+": "+l.Why)
	}
	for _, note := range p.run.Notes {
		p.wrap("", "note: "+note)
	}
	if p.run.Interrupted {
		p.wrap("", "note: interrupted after "+time.Duration(p.run.Seconds*1e9).Round(100*time.Millisecond).String()+": this is what there is")
	}
	p.wrap("", p.machine())
	p.wrap("", "reproduce: "+results.CommandLine(p.run.Command))
}

func (p *printer) noise() string {
	n := &p.run.Noise
	spawn, started := n.By["spawn"]
	switch {
	case n.Value > 0 && started:
		return fmt.Sprintf("noise: two measurements of one thing differed by up to %s, of starts by %s", percent(n.Value), percent(spawn))
	case n.Value > 0:
		return "noise: two measurements of one thing differed by up to " + percent(n.Value)
	case started:
		return "noise: two measurements of one thing that starts differed by up to " + percent(spawn)
	}
	return ""
}

func percent(v float64) string {
	if v < 0.0995 {
		return strconv.FormatFloat(100*v, 'f', 1, 64) + " %"
	}
	return strconv.FormatFloat(100*v, 'f', 0, 64) + " %"
}

func (p *printer) subtracted() string {
	var parts []string
	for i := range p.run.Figures {
		f := &p.run.Figures[i]
		if f.Subject == harness {
			parts = append(parts, number(f.Summary().Median*p.rate)+" "+p.unit+" around a "+f.Param("around"))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "subtracted: the loop, " + strings.Join(parts, ", ")
}

func (p *printer) machine() string {
	m := &p.run.Machine
	parts := []string{fmt.Sprintf("machine: %s, %d processors", m.CPU, m.CPUs)}
	if m.TSCHz > 0 {
		parts = append(parts, fmt.Sprintf("TSC %.4g GHz", m.TSCHz/1e9))
	}
	if m.Hypervisor != "" {
		parts = append(parts, m.Hypervisor)
	}
	parts = append(parts, "Linux "+m.Kernel)
	if m.LibC != "" {
		parts = append(parts, m.LibC)
	}
	if names := machine.Mitigated(m); len(names) > 0 {
		slices.Sort(names)
		parts = append(parts, "mitigations "+strings.Join(names, " "))
	} else if len(m.Mitigations) > 0 {
		parts = append(parts, "no mitigations")
	}
	return strings.Join(append(parts, "reflect "+m.Reflect), ", ")
}

// wrap writes text in lines of at most Width columns, further ones indented.
func (p *printer) wrap(indent, text string) {
	line := indent
	empty := true
	for word := range strings.FieldsSeq(strings.ReplaceAll(text, " %", "\x00%")) {
		word = strings.ReplaceAll(word, "\x00", " ") // a number and its sign stay together
		if !empty && len([]rune(line))+1+len([]rune(word)) > Width {
			fmt.Fprintln(p, line)
			line, empty = strings.Repeat(" ", max(2, len(indent))), true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	fmt.Fprintln(p, line)
}
