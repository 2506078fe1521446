package experiment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/supervisor"
)

// settled is the part of a run that doesn't count: a program begins with code that
// it executes once.
const settled = time.Second

// A Coverage says how many of the reflected calls came into the shim by patched
// sites.
type Coverage struct{ Rows []*coverage }

// coverage is one run.
type coverage struct {
	key, name, policy string
	whole             bool // of the whole run, which was shorter than settled
	patched, notified float64
	sites             []supervisor.Site // counted from when the counting began
}

// A subject is a program to be covered, and who gives it work.
type subject struct {
	key, name string
	argv      []string
	dir       string
	whole     bool
	// load works while the program runs, and ends it. in and out are the
	// program's standard input and output.
	load func(ctx context.Context, in io.WriteCloser, out io.Reader) error
}

// cover runs a program under a policy and counts.
func (b *Bench) cover(ctx context.Context, s *subject, source string) (*coverage, error) {
	plan, err := policy.Load(source)
	if err != nil {
		return nil, err
	}
	c := supervisor.Command(plan, s.argv[0], s.argv[1:]...)
	c.Dir, c.Stderr = s.dir, os.Stderr
	c.Stats, c.FollowSites = true, true
	in, stdin, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	stdout, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { in.Close(); stdin.Close(); stdout.Close(); out.Close() }()
	in.Fd()
	out.Fd() // makes them blocking, as programs expect
	c.Stdin, c.Stdout = in, out
	if err := c.Start(); err != nil {
		return nil, err
	}
	in.Close()
	out.Close()
	loaded := make(chan error, 1)
	go func() {
		if s.load != nil {
			loaded <- s.load(ctx, stdin, stdout)
			stdin.Close()
			return
		}
		_, err := io.Copy(io.Discard, stdout)
		loaded <- err
	}()
	from := map[string]supervisor.Site{}
	row := &coverage{key: s.key, name: s.name, policy: source, whole: s.whole}
	var before supervisor.Counters
	if !s.whole {
		select {
		case <-time.After(settled):
			before = c.Counters()
			for _, x := range before.Sites {
				from[siteName(x)] = x
			}
		case err := <-loaded:
			return nil, errors.Join(fmt.Errorf("%s ended within %v", s.name, settled), err, c.Kill())
		}
	}
	if err := errors.Join(<-loaded, c.Wait(), c.WaitTree(ctx)); err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	p0, n0 := mechanisms(before)
	after := c.Counters()
	p1, n1 := mechanisms(after)
	row.patched, row.notified = p1-p0, n1-n0
	for _, x := range after.Sites {
		y := from[siteName(x)]
		x.Notified -= y.Notified
		x.Patched -= y.Patched
		row.sites = append(row.sites, x)
	}
	slices.SortStableFunc(row.sites, func(x, y supervisor.Site) int { return cmp.Compare(y.Notified, x.Notified) })
	return row, nil
}

func siteName(s supervisor.Site) string { return fmt.Sprintf("%s+%#x", s.Module, s.Offset) }

func mechanisms(c supervisor.Counters) (patched, notified float64) {
	for _, n := range c.Calls {
		switch n.Mechanism {
		case "patch":
			patched += float64(n.Count)
		case "notify":
			notified += float64(n.Count)
		}
	}
	return patched, notified
}

func (c *coverage) share() float64 { return 100 * c.patched / (c.patched + c.notified) }

func (c *coverage) percent() string {
	if c.patched+c.notified == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f %%", c.share())
}

// leastShare is the target, in percent.
const leastShare = 95

// Text writes the table for people.
func (c *Coverage) Text(w io.Writer) {
	fmt.Fprintf(w, "coverage: reflected calls that came by patched sites\n"+
		"  of the calls after the first %v, or of the whole run where that is shorter; not those by the vDSO\n\n", settled)
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "\tpolicy\tpart\tpatched\tnotified\tshare\t")
	for _, r := range c.Rows {
		part := "after " + settled.String()
		if r.whole {
			part = "whole"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%.0f\t%.0f\t%s\t\n", r.name, r.policy, part, r.patched, r.notified, r.percent())
	}
	tw.Flush()
	fmt.Fprintln(w)
	for _, r := range c.Rows {
		if r.patched+r.notified == 0 {
			fmt.Fprintf(w, "  %s made no such call under %s\n", r.name, r.policy)
			continue
		}
		verdict := Met
		if r.share() < leastShare {
			verdict = Missed
		}
		fmt.Fprintf(w, "  target: %s, %s: at least %d %%: %s: %s\n", r.name, r.policy, leastShare, r.percent(), verdict)
		for _, s := range r.sites[:min(len(r.sites), 6)] {
			why := s.Why
			if why == "" {
				why = fmt.Sprintf("before it was patched, in %d processes", s.Processes)
				if s.Processes == 0 {
					why = "never more than once in a process"
				}
			}
			if s.Notified > 0 {
				fmt.Fprintf(w, "    notified %d: %s+%#x %s (%s): %s\n", s.Notified, filepath.Base(s.Module), s.Offset, s.Function,
					strings.Join(s.Calls[:min(3, len(s.Calls))], " "), why)
			}
		}
	}
	fmt.Fprintln(w)
}

// GoFormat writes the shares as lines of a Go benchmark.
func (c *Coverage) GoFormat(w io.Writer) {
	for _, r := range c.Rows {
		if r.patched+r.notified == 0 {
			continue
		}
		fmt.Fprintf(w, "BenchmarkCoverage/%s/policy=%s 1 %.2f %%patched %.0f patched %.0f notified\n",
			r.key, r.policy, r.share(), r.patched, r.notified)
	}
}
