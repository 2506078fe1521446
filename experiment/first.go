package experiment

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/sysreflect/sysreflect/supervisor"
)

// firstCalls is how many calls floor/first.c makes.
const firstCalls = 16

// later is how many programs a run executes to see what the others pay.
const later = 20

// A First is what sites cost before they are patched, and what patches weigh.
type First struct {
	Table *Table
	// Notified is how many of a program's calls were notified.
	Notified float64
	weights  []weighed
}

type weighed struct {
	key, name string
	weight
}

// First measures the first calls of programs: of the first of a run, in which the
// code is read and understood, and of those that execute the same file later.
func (b *Bench) First(ctx context.Context) (_ *First, err error) {
	t := &Table{Key: "SiteFirst", Title: "a site before it is patched: getrandom(16)", Unit: Microseconds,
		How: fmt.Sprintf("one value a run, for the others the median of %d programs that it executes one after the other; on processor %d",
			later-1, b.cpu)}
	native := t.row("native", "natively, after the first calls")
	one := t.row("first", "1st call, notified")
	two := t.row("first-patched", "2nd call, notified and patched, of the run's first program")
	again := t.row("later", "1st call of later programs")
	patched := t.row("later-patched", "2nd call of later programs")
	three := t.row("third", "3rd call, in the program")
	t.Base, t.Again = native, t.row("native-again", "natively, again")
	f := &First{Table: t}
	programs := func(prefix ...string) ([][]float64, error) {
		script := strings.Repeat(b.path("first")+"\n", later)
		return b.numbers(ctx, b.cpu, append(prefix, "/bin/sh", "-c", script)...)
	}
	for range b.rounds(40) {
		lines, err := programs(b.reflect, "run", "--")
		if err != nil {
			return nil, err
		}
		column := func(call int, lines [][]float64) (timed []float64) {
			for _, l := range lines {
				timed = append(timed, l[1+call]) // behind the process id
			}
			return timed
		}
		one.add(lines[0][1])
		two.add(lines[0][2])
		again.add(column(0, lines[1:])...)
		patched.add(column(1, lines[1:])...)
		three.add(column(2, lines[1:])...)
		for _, s := range []*Series{native, t.Again} {
			if lines, err = programs(); err != nil {
				return nil, err
			}
			s.add(column(firstCalls-1, lines)...)
		}
	}
	if f.Notified, err = b.notified(ctx); err != nil {
		return nil, err
	}
	t.Notes = []string{"What the 2nd call takes longer than the 1st is the patch, made while the program waits."}
	for _, w := range []struct {
		key, name string
		prefix    []string
	}{
		{"native", "natively", nil},
		{"notify", "under reflect, notified", []string{b.reflect, "run", "-m", "notify", "--"}},
		{"patch", "under reflect, one site patched", []string{b.reflect, "run", "--"}},
	} {
		x, err := b.weighFirst(ctx, w.prefix)
		if err != nil {
			return nil, err
		}
		f.weights = append(f.weights, weighed{w.key, w.name, x})
	}
	return f, nil
}

// notified counts the notifications of one program.
func (b *Bench) notified(ctx context.Context) (float64, error) {
	path := b.path("first.json")
	if err := command(ctx, b.reflect, "run", "-p", b.path(constantPolicy), "--stats=json", "--stats-file", path, "--", b.path("first")); err != nil {
		return 0, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	var counters supervisor.Counters
	if err := json.Unmarshal(text, &counters); err != nil {
		return 0, err
	}
	patched, notified := mechanisms(counters)
	if patched+notified != firstCalls {
		return 0, fmt.Errorf("%v calls by patched sites and %v notified, of %d", patched, notified, firstCalls)
	}
	return notified, nil
}

func (b *Bench) weighFirst(ctx context.Context, prefix []string) (w weight, err error) {
	argv := append(prefix[:len(prefix):len(prefix)], b.path("first"), "wait")
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return w, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return w, err
	}
	if err := cmd.Start(); err != nil {
		return w, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err == nil {
		word, _, _ := strings.Cut(line, " ")
		var pid int
		if pid, err = strconv.Atoi(word); err == nil {
			w, err = weigh(pid)
		}
	}
	stdin.Close()
	return w, errors.Join(err, cmd.Wait())
}

// Text writes the measurement for people.
func (f *First) Text(w io.Writer) {
	f.Table.Text(w)
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "\tanonymous\tPss\t")
	for _, x := range f.weights {
		fmt.Fprintf(tw, "a process, %s\t%.0f KiB\t%.0f KiB\t\n", x.name, x.anon, x.proportional)
	}
	tw.Flush()
	fmt.Fprintf(w, "\n  of %d calls by one instruction %.0f were notified\n\n", firstCalls, f.Notified)
}

// GoFormat writes the measurement as lines of Go benchmarks.
func (f *First) GoFormat(w io.Writer) {
	f.Table.GoFormat(w)
	for _, x := range f.weights {
		fmt.Fprintf(w, "BenchmarkSiteMemory/%s 1 %.0f anon-bytes %.0f pss-bytes\n", x.key, 1024*x.anon, 1024*x.proportional)
	}
}
