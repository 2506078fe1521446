package overhead

import (
	"fmt"
)

func (p *printer) steps() {
	head := false
	for i := range p.run.Figures {
		f := &p.run.Figures[i]
		if len(f.Steps) == 0 {
			continue
		}
		if !head {
			fmt.Fprintf(p, "where getrandom(16) goes, %s, by measured variants and clocks\n", p.unit)
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
