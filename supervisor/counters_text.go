package supervisor

import (
	"bufio"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// WriteText writes the counters for people: a table of calls, and what happened
// to programs.
func (c Counters) WriteText(w io.Writer) error {
	b := bufio.NewWriter(w)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	if len(c.Calls) > 0 {
		fmt.Fprintln(t, "call\timplementation\tmechanism\tcount\terrors\ttime/call")
	} else {
		fmt.Fprintln(t, "no call was reflected")
	}
	for _, k := range c.Calls {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%s\n", k.Call, k.Implementation, k.Mechanism, k.Count, k.Errors, k.perCall())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(b, "%s reflected in %s\n", count(c.Programs, "program"), count(c.Execs, "exec"))
	for _, m := range c.Missed {
		fmt.Fprintf(b, "not reflected, %s: %s", times(m.Count), m.Reason)
		if m.Example != "" {
			fmt.Fprintf(b, " (such as %s)", m.Example)
		}
		fmt.Fprintln(b)
	}
	return b.Flush()
}

// perCall is the mean time of a call, where it was measured.
func (k *CallCount) perCall() string {
	if !k.Timed || k.Count == 0 {
		return "-"
	}
	switch mean := k.Time / time.Duration(k.Count); {
	case mean < time.Microsecond:
		return mean.String()
	case mean < 10*time.Millisecond:
		return fmt.Sprintf("%.1fµs", float64(mean)/float64(time.Microsecond))
	default:
		return mean.Round(time.Millisecond).String()
	}
}

func count(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func times(n uint64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
