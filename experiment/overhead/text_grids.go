package overhead

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/sysreflect/sysreflect/experiment/results"
)

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
