//go:build linux && amd64

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/cmd/reflect/internal/cli"
	"github.com/sysreflect/sysreflect/experiment/overhead"
	"github.com/sysreflect/sysreflect/experiment/results"
	"github.com/sysreflect/sysreflect/experiment/workload"
	"github.com/sysreflect/sysreflect/policy"
)

// workloadFlags are the flags of `reflect bench workload`.
type workloadFlags struct {
	outputFlags
	mechanisms              string
	policies                []string
	runs, warmup            string
	name, shell, input      string
	setup, prepare, cleanup string
	lists, scans            []string
	ignoreFailure, show     bool
}

func benchWorkloadCommand() *cli.Command {
	var f workloadFlags
	cmd := &cli.Command{
		Use:   "workload [flags] [--] program [argument]...",
		Short: "a whole program, natively and by each mechanism",
		Long: "Workload runs a program again and again, natively and by `reflect run` with each mechanism, in\n" +
			"turn, and says what each takes beside the native program: wall time, processor time, the\n" +
			"supervisor's share of it, memory, and how many calls were reflected. The native program runs\n" +
			"twice in each round; a difference that is no larger than between these two is n.s.\n\n" +
			"Without -n it goes on for ten seconds, and for ten rounds at least.",
		Example: "  reflect bench workload -- git status\n" +
			"  reflect bench workload -m patch,notify -p all-calls -n 30 --html git.html -- git log -p\n" +
			"  reflect bench workload --parameter-list n=1,10,100 -- openssl rand {n}000\n" +
			"  reflect bench workload --shell --prepare 'make clean' 'make -j2 2>&1'",
		Args: func(_ *cli.Command, args []string) error {
			if len(args) == 0 || args[0] == "" {
				return hinted(errors.New("no program given"), "reflect bench workload [flags] -- program [argument]...")
			}
			return nil
		},
		Run: func(c *cli.Command, args []string) error { return f.run(args) },
	}
	flags := &cmd.Flags
	flags.First = true
	flags.String(&f.mechanisms, "mechanism", "m", "", "only these `mechanisms`: A,B,…").
		Words(append([]string{workload.None}, policy.Mechanisms()...)...)
	flags.Strings(&f.policies, "policy", "p", "a preset's `name`, or a file's path; repeatable").Complete = presets
	flags.String(&f.runs, "runs", "n", "", "`number` of rounds")
	flags.String(&f.warmup, "warmup", "w", "1", "`number` of rounds before those that count")
	flags.String(&f.setup, "setup", "", "", "run `line` by sh before all")
	flags.String(&f.prepare, "prepare", "", "", "run `line` by sh before each run")
	flags.String(&f.cleanup, "cleanup", "", "", "run `line` by sh after all")
	flags.Strings(&f.lists, "parameter-list", "L", "with each value for {NAME}: `NAME=V,…`; repeatable")
	flags.Strings(&f.scans, "parameter-scan", "P", "with each number: `NAME=A:B[:STEP]`")
	flags.String(&f.shell, "shell", "S", "", "run the words as one line by `shell`").Bare = "/bin/sh"
	flags.String(&f.input, "input", "", "", "give it `file` to read")
	flags.String(&f.name, "name", "", "", "`name` in the results")
	flags.Bool(&f.ignoreFailure, "ignore-failure", "i", "measure a program that fails, too")
	flags.Bool(&f.show, "show-output", "", "print what the program prints")
	f.register(flags)
	return cmd
}

func (f *workloadFlags) options(args []string) (o workload.Options, err error) {
	self, err := os.Executable()
	if err != nil {
		return o, err
	}
	o = workload.Options{
		Reflect: self, Version: version(), Name: f.name, Find: lookPath, Input: f.input,
		Choice:   workload.Choice{Policies: f.policies},
		Schedule: workload.Schedule{Budget: 10 * time.Second, Progress: rounds()},
		Program: workload.Command{Args: args, Setup: f.setup, Prepare: f.prepare, Cleanup: f.cleanup,
			IgnoreFailure: f.ignoreFailure},
	}
	if f.shell != "" {
		line := strings.Join(args, " ")
		o.Program.Args = []string{f.shell, "-c", line}
		if o.Name == "" {
			o.Name = line
		}
	}
	if f.show {
		o.Program.Output = os.Stdout
	}
	if f.mechanisms != "" {
		o.Mechanisms = strings.Split(f.mechanisms, ",")
	}
	for _, n := range []struct {
		flag, text string
		to         *int
		least      int
	}{{"--runs", f.runs, &o.Rounds, 1}, {"--warmup", f.warmup, &o.Warmup, 0}} {
		if n.text == "" {
			continue
		}
		if *n.to, err = strconv.Atoi(n.text); err != nil || *n.to < n.least || *n.to > 1000000 {
			return o, fmt.Errorf("%s: %q is no number of rounds", n.flag, n.text)
		}
	}
	for _, text := range f.lists {
		p, err := workload.ParseList(text)
		if err != nil {
			return o, fmt.Errorf("--parameter-list: %w", err)
		}
		o.Parameters = append(o.Parameters, p)
	}
	for _, text := range f.scans {
		p, err := workload.ParseScan(text)
		if err != nil {
			return o, fmt.Errorf("--parameter-scan: %w", err)
		}
		o.Parameters = append(o.Parameters, p)
	}
	o.Command = f.command(args)
	return o, nil
}

// command is what repeats this run.
func (f *workloadFlags) command(args []string) []string {
	out := []string{"reflect", "bench", "workload"}
	add := func(flag, value string) {
		if value != "" {
			out = append(out, flag, value)
		}
	}
	add("-m", f.mechanisms)
	for _, p := range f.policies {
		add("-p", p)
	}
	add("-n", f.runs)
	if f.warmup != "1" {
		add("-w", f.warmup)
	}
	for _, l := range f.lists {
		add("-L", l)
	}
	for _, s := range f.scans {
		add("-P", s)
	}
	add("--setup", f.setup)
	add("--prepare", f.prepare)
	add("--cleanup", f.cleanup)
	add("--input", f.input)
	add("--name", f.name)
	if f.shell != "" {
		out = append(out, "--shell="+f.shell)
	}
	if f.ignoreFailure {
		out = append(out, "-i")
	}
	return append(append(out, "--"), args...)
}

func (f *workloadFlags) run(args []string) error {
	o, err := f.options(args)
	if err != nil {
		return err
	}
	outputs, err := f.open()
	if err != nil {
		return err
	}
	ctx, first := untilSignal()
	run, err := workload.Run(ctx, o)
	clearProgress()
	if err != nil {
		err = f.failed(err)
	}
	if err := outputs.finish(run, err, func(w io.Writer) error { return writeWorkload(w, run) }); err != nil {
		return err
	}
	return ended(run, first)
}

// failed gives advice on what went wrong.
func (f *workloadFlags) failed(err error) error {
	var failed *workload.FailedError
	switch {
	case errors.As(err, &failed):
		hint := "--ignore-failure measures it all the same"
		if !f.show {
			hint += ", --show-output shows what it says"
		}
		return hinted(err, hint)
	case errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EACCES):
		return err
	}
	return err
}

// writeWorkload writes a run of whole programs, and what it was made on.
func writeWorkload(w io.Writer, run *results.Run) error {
	if err := workload.WriteText(w, run); err != nil {
		return err
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return err
	}
	return overhead.WriteEnd(w, run)
}

// rounds shows how far the rounds of a program are.
func rounds() func(round, total int, way string) {
	show := progress()
	if show == nil {
		return nil
	}
	return func(round, total int, way string) {
		switch {
		case round == 0:
			show(0, "warming up: "+way)
		case total == 0:
			show(0, fmt.Sprintf("round %d: %s", round, way))
		default:
			show(min(1, float64(round-1)/float64(total)), fmt.Sprintf("round %d of %d: %s", round, total, way))
		}
	}
}
