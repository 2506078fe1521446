package experiment

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// A Series is what one competitor measured: a value for each round, in
// nanoseconds.
type Series struct {
	Key    string // its name in Go benchmark format, without spaces
	Name   string
	Values []float64
	Min    float64 // of all that was timed; a value may be the median of a window
	CPU    float64 // median processor time, 0 if not measured
}

// add appends one value that is a median of what was timed, or the thing itself.
func (s *Series) add(timed ...float64) {
	s.Values = append(s.Values, median(timed))
	if least := slices.Min(timed); s.Min == 0 || least < s.Min {
		s.Min = least
	}
}

// A Claim is a target.
type Claim struct {
	Text    string
	Of      *Series
	Against *Series
	Ratio   bool // of the two, rather than their difference
	Limit   float64
	Equal   bool // Against is a floor, and Limit 0
}

// A Table is the outcome of one experiment.
type Table struct {
	Key   string // Go benchmark name
	Title string
	How   string // how it was measured
	Unit  Unit
	Rows  []*Series
	// Base is what the others are shown against; Again is the same measured
	// once more, for the noise.
	Base, Again *Series
	Claims      []Claim
	Notes       []string
}

// row adds an empty series.
func (t *Table) row(key, name string) *Series {
	s := &Series{Key: key, Name: name}
	t.Rows = append(t.Rows, s)
	return s
}

// series returns the one with a key.
func (t *Table) series(key string) *Series {
	for _, s := range t.Rows {
		if s.Key == key {
			return s
		}
	}
	return nil
}

// noise is how far two measurements of one thing lay apart.
func (t *Table) noise() float64 {
	lo, hi := interval(paired(t.Again.Values, t.Base.Values, difference))
	return max(math.Abs(lo), math.Abs(hi))
}

func (c *Claim) combine(a, b float64) float64 {
	if c.Ratio {
		return ratio(a, b)
	}
	return difference(a, b)
}

func (c *Claim) measured() []float64 { return paired(c.Of.Values, c.Against.Values, c.combine) }

// Verdict says whether the target is reached.
func (t *Table) Verdict(c *Claim) Verdict {
	if c.Equal {
		// A tenth of what the floor itself costs.
		worth := 0.1 * math.Abs(median(paired(c.Against.Values, t.Base.Values, difference)))
		return judgeEqual(c.measured(), t.noise(), max(worth, 0.02*median(t.Base.Values)))
	}
	return judge(c.measured(), c.Limit)
}

// Text writes the table for people.
func (t *Table) Text(w io.Writer) {
	fmt.Fprintf(w, "%s\n  %s\n\n", t.Title, t.How)
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	u := t.Unit
	cpu := t.Base.CPU != 0
	head := "\tmedian\tmin\t95 % of the median\tover " + t.Base.Key
	if cpu {
		head += "\tprocessor"
	}
	fmt.Fprintln(tw, head+"\t")
	for _, s := range t.Rows {
		lo, hi := interval(s.Values)
		over := ""
		if s != t.Base {
			over = u.signed(median(paired(s.Values, t.Base.Values, difference)))
		}
		line := fmt.Sprintf("%s\t%s\t%s\t%.*f to %.*f\t%s", s.Name, u.String(median(s.Values)), u.String(s.Min),
			u.Digits, lo/u.Size, u.Digits, hi/u.Size, over)
		if cpu {
			line += "\t" + u.String(s.CPU)
		}
		fmt.Fprintln(tw, line+"\t")
	}
	tw.Flush()
	fmt.Fprintln(w)
	for i := range t.Claims {
		fmt.Fprintln(w, "  "+t.claim(&t.Claims[i]))
	}
	fmt.Fprintf(w, "  noise: %s against itself differs by up to %s\n", t.Base.Key, u.String(t.noise()))
	for _, n := range t.Notes {
		fmt.Fprintln(w, "  "+n)
	}
	fmt.Fprintln(w)
}

func (t *Table) claim(c *Claim) string {
	values := c.measured()
	m := median(values)
	lo, hi := interval(values)
	least := c.combine(c.Of.Min, c.Against.Min)
	if c.Ratio {
		return fmt.Sprintf("target: %s: %.2f (%.2f to %.2f; by minima %.2f): %s", c.Text, m, lo, hi, least, t.Verdict(c))
	}
	u := t.Unit
	return fmt.Sprintf("target: %s: %s (%+.*f to %+.*f; by minima %+.*f): %s", c.Text, u.signed(m),
		u.Digits, lo/u.Size, u.Digits, hi/u.Size, u.Digits, least/u.Size, t.Verdict(c))
}

// GoFormat writes the values as the lines of a Go benchmark, one for each round.
func (t *Table) GoFormat(w io.Writer) {
	for _, s := range t.Rows {
		for _, v := range s.Values {
			fmt.Fprintf(w, "Benchmark%s/%s 1 %s ns/op\n", t.Key, s.Key,
				strings.TrimSuffix(strconv.FormatFloat(v, 'f', 2, 64), ".00"))
		}
	}
}
