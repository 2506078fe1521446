package workload

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/sysreflect/sysreflect/experiment/results"
)

// WriteText writes what a run says of programs for people: the answer first, a
// line for each way, then a table.
func WriteText(w io.Writer, run *results.Run) error {
	b := bufio.NewWriter(w)
	for i, o := range Outcomes(run) {
		if i > 0 {
			fmt.Fprintln(b)
		}
		o.write(b)
	}
	return b.Flush()
}

func (o *Outcome) write(b io.Writer) {
	fmt.Fprintln(b, o.Title())
	for _, r := range o.Rows {
		if a := o.answer(&r); a != "" {
			fmt.Fprintln(b, "  "+a)
		}
	}
	fmt.Fprintln(b)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  way\twall\tleast … most\tcpu\tto native\tsystem\tsupervisor\tmemory\treflected")
	for _, r := range o.Rows {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Way, r.interval(Wall), r.bounds(Wall),
			r.median(CPU), r.cpu(), r.median(System), r.median(Supervisor), r.median(Memory), r.median(Calls))
	}
	t.Flush()
}

// answer is a row in one line; the native program's second run is the noise and no
// answer.
func (o *Outcome) answer(r *Row) string {
	switch {
	case r.Way == Native:
		return ""
	case r.Way == Again && r.Against != nil:
		d := 100 * r.Against.Noise
		return fmt.Sprintf("(noise: native differs from itself by up to %s %%)", results.Digits(d, d/10))
	case r.Against == nil:
		return ""
	}
	return r.Way + ": " + r.Against.Words() + r.added()
}

// added is what the native program's time grew by, where there is a difference.
func (r *Row) added() string {
	c := r.Against
	if !c.Significant() {
		return ""
	}
	d := c.Difference.Median
	text, unit := results.Scaled(math.Abs(d), c.Figure.Unit)
	if d < 0 {
		return " (−" + text + " " + unit + ")"
	}
	return " (+" + text + " " + unit + ")"
}

func (r *Row) median(of string) string {
	f := r.Figures[of]
	if f == nil || len(f.Samples) == 0 {
		return "-"
	}
	text, unit := results.Scaled(f.Summary().Median, f.Unit)
	if f.Unit == "calls" {
		return text
	}
	return text + " " + unit
}

// cpu is the processor time beside the native program's.
func (r *Row) cpu() string {
	if r.CPUAgainst == nil {
		return "-"
	}
	return r.CPUAgainst.Short()
}

// interval is the median with its interval.
func (r *Row) interval(of string) string {
	f := r.Figures[of]
	if f == nil || len(f.Samples) == 0 {
		return "-"
	}
	s := f.Summary()
	by, unit := results.Scale(s.Median, f.Unit)
	return results.Within(by*s.Median, by*s.Lo, by*s.Hi, " "+unit)
}

func (r *Row) bounds(of string) string {
	f := r.Figures[of]
	if f == nil || len(f.Samples) == 0 {
		return "-"
	}
	s := f.Summary()
	by, _ := results.Scale(s.Median, f.Unit)
	return results.Three(by*s.Least) + " … " + results.Three(by*s.Most)
}
