package experiment

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// A Grid is one experiment at several sizes. Each of its tables becomes a line,
// with the same series as columns.
type Grid struct {
	Title  string
	How    string
	Head   string   // what begins a line
	Lines  []*Table // Title begins the line; Base has the same key in each
	Bounds []Bound
	Notes  []string
}

// A Bound is a target for some of a grid's lines.
type Bound struct {
	Text        string
	Of          string // key of a series
	Lines       func(line int) bool
	Times       float64 // at least that many times as fast as Base
	Nanoseconds float64 // or: at most that long
}

// ratio returns, round by round, what must not exceed 1.
func (b *Bound) ratio(t *Table) []float64 {
	s := t.series(b.Of)
	if b.Times > 0 {
		return paired(s.Values, t.Base.Values, func(v, base float64) float64 { return v * b.Times / base })
	}
	return paired(s.Values, s.Values, func(v, _ float64) float64 { return v / b.Nanoseconds })
}

// worst returns the line that is farthest from reaching the bound.
func (g *Grid) worst(b *Bound) (worst *Table) {
	most := math.Inf(-1)
	for i, t := range g.Lines {
		if !b.Lines(i) {
			continue
		}
		if m := median(b.ratio(t)); m > most {
			most, worst = m, t
		}
	}
	return worst
}

func (g *Grid) bound(b *Bound) string {
	t := g.worst(b)
	r := b.ratio(t)
	lo, hi := interval(r)
	s := t.series(b.Of)
	text := fmt.Sprintf("target: %s\n    worst at %s: ", b.Text, t.Title)
	if b.Times > 0 {
		text += fmt.Sprintf("%.2f times as fast (%.2f to %.2f; by minima %.2f)", b.Times/median(r), b.Times/hi, b.Times/lo, t.Base.Min/s.Min)
	} else {
		text += fmt.Sprintf("%.1f ns (%.1f to %.1f; minimum %.1f)", b.Nanoseconds*median(r), b.Nanoseconds*lo, b.Nanoseconds*hi, s.Min)
	}
	return text + ": " + string(judge(r, 1))
}

// Text writes the grid for people.
func (g *Grid) Text(w io.Writer) {
	fmt.Fprintf(w, "%s\n  %s\n", g.Title, g.How)
	base := g.Lines[0].Base.Key
	g.print(w, "median, ns", func(_ *Table, s *Series) string { return nanoseconds(median(s.Values)) })
	g.print(w, "minimum, ns", func(_ *Table, s *Series) string { return nanoseconds(s.Min) })
	g.print(w, "times as fast as "+base+", median", func(t *Table, s *Series) string {
		return fmt.Sprintf("%.2f", median(paired(t.Base.Values, s.Values, ratio)))
	})
	fmt.Fprintln(w)
	for i := range g.Bounds {
		fmt.Fprintln(w, "  "+g.bound(&g.Bounds[i]))
	}
	noise := 0.0
	for _, t := range g.Lines {
		noise = max(noise, t.noise()/median(t.Base.Values))
	}
	fmt.Fprintf(w, "  noise: %s against itself differs by up to %.1f %%\n", base, 100*noise)
	for _, n := range g.Notes {
		fmt.Fprintln(w, "  "+n)
	}
	fmt.Fprintln(w)
}

func (g *Grid) print(w io.Writer, what string, cell func(*Table, *Series) string) {
	fmt.Fprintf(w, "\n  %s\n", what)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	heads := []string{g.Head}
	for _, s := range g.Lines[0].Rows {
		heads = append(heads, s.Name)
	}
	fmt.Fprintln(tw, strings.Join(heads, "\t")+"\t")
	for _, t := range g.Lines {
		cells := []string{t.Title}
		for _, s := range t.Rows {
			cells = append(cells, cell(t, s))
		}
		fmt.Fprintln(tw, strings.Join(cells, "\t")+"\t")
	}
	tw.Flush()
}

// nanoseconds keeps columns narrow from 1 ns to 1 ms.
func nanoseconds(ns float64) string {
	switch {
	case ns < 100:
		return fmt.Sprintf("%.2f", ns)
	case ns < 1000:
		return fmt.Sprintf("%.1f", ns)
	}
	return fmt.Sprintf("%.0f", ns)
}

// GoFormat writes each line's values as a Go benchmark of its own.
func (g *Grid) GoFormat(w io.Writer) {
	for _, t := range g.Lines {
		t.GoFormat(w)
	}
}
