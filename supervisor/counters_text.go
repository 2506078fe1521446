package supervisor

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
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
	if c.Sites != nil {
		if err := writeSites(b, c.Sites); err != nil {
			return err
		}
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

// writeSites writes a table of sites, those with most calls first.
func writeSites(w io.Writer, sites []Site) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(sites) == 0 {
		fmt.Fprintln(t, "no site was notified or trapped")
		return t.Flush()
	}
	fmt.Fprintln(t, "site\tsymbol\tcalls\tshape\tprocesses\tnotified\ttrapped\tpatched\twhy not")
	sorted := slices.Clone(sites)
	slices.SortStableFunc(sorted, func(a, b Site) int { return cmp.Compare(b.made(), a.made()) })
	for _, s := range sorted {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\n",
			s.name(), dash(s.Function), s.callNames(), dash(s.Shape), s.Processes, s.Notified, s.Trapped, s.Patched, dash(s.Why))
	}
	return t.Flush()
}

// made is how many calls the site made.
func (s *Site) made() uint64 { return s.Notified + s.Trapped + s.Patched }

// name is the file's name and the offset in it.
func (s *Site) name() string {
	if s.Module == "" {
		return fmt.Sprintf("%#x", s.Offset)
	}
	return fmt.Sprintf("%s+%#x", path.Base(s.Module), s.Offset)
}

// callNames lists a site's calls, a few of them where it makes any.
func (s *Site) callNames() string {
	const most = 3
	if len(s.Calls) <= most {
		return strings.Join(s.Calls, ",")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(s.Calls[:most], ","), len(s.Calls)-most)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
