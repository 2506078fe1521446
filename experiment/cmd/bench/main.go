// Command bench prints what reflect costs beside its floors and targets.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/sysreflect/sysreflect/experiment"
)

// settle is how long others are watched before we begin.
const settle = 500 * time.Millisecond

// limit ends a measurement that hangs.
const limit = 20 * time.Minute

var parts = []string{"start", "exec", "notify", "sigsys", "ptrace", "tax", "footprint", "getrandom", "threads", "programs", "patch", "first", "million", "all-calls", "coverage"}

func main() {
	format := flag.String("format", "text", "`text`, or go: Go benchmark format, as benchstat reads it")
	only := flag.String("only", strings.Join(parts, ","), "which `parts` to run, separated by commas")
	binary := flag.String("reflect", "", "measure this `file` instead of building one")
	quick := flag.Bool("quick", false, "measure too little for good numbers, to see that it works")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := run(ctx, os.Stdout, *format, strings.Split(*only, ","), *binary, *quick); err != nil {
		fmt.Fprintln(os.Stderr, "bench: error:", err)
		if errors.Is(err, experiment.ErrCompiler) {
			fmt.Fprintln(os.Stderr, "bench: hint: on Debian and Ubuntu: apt-get install gcc libc6-dev")
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, format string, chosen []string, binary string, quick bool) error {
	if format != "text" && format != "go" {
		return fmt.Errorf("unknown format %q: text or go", format)
	}
	for _, c := range chosen {
		if !slices.Contains(parts, c) {
			return fmt.Errorf("unknown part %q: %s", c, strings.Join(parts, ", "))
		}
	}
	b, err := experiment.New(ctx, binary)
	if err != nil {
		return err
	}
	defer b.Close()
	b.Quick = quick
	var load experiment.Load
	load.Begin()
	time.Sleep(settle)
	for _, line := range append(experiment.Machine(), "busy: "+load.Busy()) {
		fmt.Fprintln(w, line)
	}
	if format == "text" {
		fmt.Fprintln(w)
	}
	var failed error
	for _, part := range parts {
		if !slices.Contains(chosen, part) {
			continue
		}
		results, err := measure(ctx, b, part)
		if err != nil {
			// The others can still be measured.
			failed = errors.Join(failed, fmt.Errorf("%s: %w", part, err))
			continue
		}
		for _, r := range results {
			if format == "go" {
				r.GoFormat(w)
			} else {
				r.Text(w)
			}
		}
	}
	return failed
}

// A result can be printed in both formats.
type result interface {
	Text(io.Writer)
	GoFormat(io.Writer)
}

func measure(ctx context.Context, b *experiment.Bench, part string) (results []result, err error) {
	one := func(t *experiment.Table, err error) ([]result, error) { return []result{t}, err }
	all := func(ts []*experiment.Table, err error) (results []result, _ error) {
		for _, t := range ts {
			results = append(results, t)
		}
		return results, err
	}
	switch part {
	case "start":
		return one(b.Start(ctx))
	case "exec":
		return all(b.Execs(ctx))
	case "notify":
		return all(b.Notify(ctx))
	case "ptrace":
		return all(b.Ptrace(ctx))
	case "sigsys":
		return all(b.Signals(ctx))
	case "tax":
		return one(b.Tax(ctx))
	case "getrandom":
		g, err := b.Getrandom(ctx)
		return []result{g}, err
	case "threads":
		g, err := b.Threads(ctx)
		return []result{g}, err
	case "programs":
		return all(b.Programs(ctx))
	case "patch":
		return all(b.Sites(ctx))
	case "first":
		f, err := b.First(ctx)
		return []result{f}, err
	case "million":
		return all(b.Million(ctx))
	case "all-calls":
		return all(b.AllCalls(ctx))
	case "coverage":
		c, err := b.Coverage(ctx)
		return []result{c}, err
	}
	f, err := b.Footprint(ctx)
	return []result{f}, err
}
