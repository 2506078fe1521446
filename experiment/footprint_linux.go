package experiment

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"text/tabwriter"
)

// A Footprint is what processes weigh.
type Footprint struct {
	Few, Many  int // how many processes lived at once
	Supervisor [2]weight
	Guardian   [2]weight
	Child      weight // one process of the reflected program
	Native     weight // the same without us
}

type weight struct {
	anon, proportional float64 // KiB: RssAnon, Pss
	threads, fds       float64
}

// Footprint counts memory and descriptors with few processes and with many.
func (b *Bench) Footprint(ctx context.Context) (*Footprint, error) {
	f := &Footprint{Few: 1, Many: 101}
	for i, n := range []int{f.Few, f.Many} {
		err := b.herd(ctx, n, []string{b.reflect, "run", "--"}, func(top int, children []int) (err error) {
			if f.Supervisor[i], err = weigh(top); err != nil {
				return err
			}
			herd, err := parent(children[0])
			if err != nil {
				return err
			}
			if guardian, err := parent(herd); err != nil {
				return err
			} else if guardian != top {
				if f.Guardian[i], err = weigh(guardian); err != nil {
					return err
				}
			}
			f.Child, err = weigh(children[0])
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	err := b.herd(ctx, f.Many, nil, func(_ int, children []int) (err error) {
		f.Native, err = weigh(children[0])
		return err
	})
	return f, err
}

// herd starts n processes and calls look while they wait.
func (b *Bench) herd(ctx context.Context, n int, prefix []string, look func(top int, children []int) error) error {
	argv := append(prefix[:len(prefix):len(prefix)], b.path("herd"), strconv.Itoa(n), b.path("tiny"))
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	var children []int
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && lines.Text() != "ready" {
		if pid, err := strconv.Atoi(lines.Text()); err == nil {
			children = append(children, pid)
		}
	}
	if len(children) == n {
		err = look(cmd.Process.Pid, children)
	} else {
		err = fmt.Errorf("%s: %d processes", describe(argv), len(children))
	}
	stdin.Close()
	io.Copy(io.Discard, stdout)
	if e := cmd.Wait(); err == nil {
		err = e
	}
	return err
}

func weigh(pid int) (w weight, err error) {
	status, err := fields(pid, "status")
	if err != nil {
		return w, err
	}
	rollup, err := fields(pid, "smaps_rollup")
	if err != nil {
		return w, err
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return weight{status["RssAnon"], rollup["Pss"], status["Threads"], float64(len(fds))}, err
}

func parent(pid int) (int, error) {
	status, err := fields(pid, "status")
	return int(status["PPid"]), err
}

// fields reads the lines "Name: number" of a file in /proc (proc(5)).
func fields(pid int, file string) (map[string]float64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return nil, err
	}
	values := map[string]float64{}
	for line := range strings.Lines(string(data)) {
		name, rest, _ := strings.Cut(line, ":")
		if words := strings.Fields(rest); len(words) > 0 {
			if v, err := strconv.ParseFloat(words[0], 64); err == nil {
				values[name] = v
			}
		}
	}
	return values, nil
}

// Text writes the footprint for people.
func (f *Footprint) Text(w io.Writer) {
	fmt.Fprintf(w, "memory and descriptors\n  %d and %d processes that wait at once; Pss counts shared pages in part\n\n", f.Few, f.Many)
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "\tanonymous\tPss\tthreads\tdescriptors\t")
	row := func(name string, x weight) {
		fmt.Fprintf(tw, "%s\t%.0f KiB\t%.0f KiB\t%.0f\t%.0f\t\n", name, x.anon, x.proportional, x.threads, x.fds)
	}
	row(fmt.Sprintf("supervisor, %d process", f.Few), f.Supervisor[0])
	row(fmt.Sprintf("supervisor, %d processes", f.Many), f.Supervisor[1])
	row(fmt.Sprintf("guardian, %d processes", f.Many), f.Guardian[1])
	row("a process, under reflect", f.Child)
	row("a process, natively", f.Native)
	tw.Flush()
	fmt.Fprintf(w, "\n  for each further process the supervisor takes %.1f KiB and %.2f descriptors, the process itself %+.0f KiB and %+.0f descriptors\n\n",
		f.each(func(w weight) float64 { return w.anon }), f.each(func(w weight) float64 { return w.fds }),
		f.Child.anon-f.Native.anon, f.Child.fds-f.Native.fds)
}

// each is how much of something one more process takes in the supervisor.
func (f *Footprint) each(of func(weight) float64) float64 {
	return (of(f.Supervisor[1]) - of(f.Supervisor[0])) / float64(f.Many-f.Few)
}

// GoFormat writes the footprint as lines of a Go benchmark.
func (f *Footprint) GoFormat(w io.Writer) {
	const kib = 1024
	fmt.Fprintf(w, "BenchmarkFootprint/supervisor 1 %.0f anon-bytes %.0f fds %.0f anon-bytes/process %.2f fds/process\n",
		f.Supervisor[0].anon*kib, f.Supervisor[0].fds,
		kib*f.each(func(w weight) float64 { return w.anon }), f.each(func(w weight) float64 { return w.fds }))
	fmt.Fprintf(w, "BenchmarkFootprint/process 1 %.0f anon-bytes %.0f fds\n", f.Child.anon*kib, f.Child.fds)
	fmt.Fprintf(w, "BenchmarkFootprint/process-native 1 %.0f anon-bytes %.0f fds\n", f.Native.anon*kib, f.Native.fds)
}
