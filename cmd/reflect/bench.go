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

	"github.com/sysreflect/sysreflect/cmd/reflect/internal/cli"
	"github.com/sysreflect/sysreflect/experiment/overhead"
	"github.com/sysreflect/sysreflect/policy"
)

// benchFlags are the flags of `reflect bench` and of its subjects.
type benchFlags struct {
	outputFlags
	mechanisms string
	threads    string
	bytes      string
	seconds    string
	unit       string
	text       bool
	free       bool
	check      bool
}

func benchCommand() *cli.Command {
	cmd := benchOne("bench", "measure what each mechanism costs on this machine", nil)
	cmd.Long = "Bench measures, in less than a minute, what a system call costs natively, by the kernel's\n" +
		"vDSO, by the C library, by a preloaded library, by a generator in the program, and by each\n" +
		"mechanism that can be used here: a call that does nothing, one that is passed through,\n" +
		"getrandom of several lengths, and clock_gettime; what calls pay that are not reflected, what\n" +
		"starting costs, and memory. It says how sure each figure is, and what the machine adds.\n\n" +
		"Everything takes turns, in windows of 150 microseconds, on one processor, in\n" +
		"many short sessions with fresh processes; what it adds that supervisors run elsewhere is\n" +
		"shown beside. It ends as soon as all calls are known within 2 %, and before a minute has\n" +
		"passed. Ctrl-C ends it with what there is, and status 130."
	cmd.Example = "  reflect bench\n" +
		"  reflect bench getrandom -m patch,notify --bytes 16,256\n" +
		"  reflect bench --threads 64\n" +
		"  reflect bench --text --json results.json | mail -s 'what a call costs' …"
	cmd.Add(
		benchOne("null", "a call that does nothing", []string{"null"}),
		benchOne("passthrough", "a call that the kernel makes all the same", []string{"passthrough"}),
		benchOne("getrandom", "random bytes, 4 to 4096 of them", []string{"null", "tax", "getrandom"}),
		benchOne("time", "clock_gettime", []string{"time"}),
		benchOne("spawn", "starts, execs and forks", []string{"spawn"}),
		benchOne("tax", "what calls pay that are not reflected", []string{"tax"}),
		benchWorkloadCommand(),
		benchAllCallsCommand(),
		benchCompareCommand(),
	)
	return cmd
}

// benchOne is the command for some subjects; nil means all.
func benchOne(name, short string, subjects []string) *cli.Command {
	var f benchFlags
	cmd := &cli.Command{
		Use:   name + " [flags]",
		Short: short,
		Args: func(c *cli.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			if near := c.Suggest(args[0]); len(near) > 0 {
				return hinted(errors.New("unknown subject "+quote(args[0])), "did you mean "+strings.Join(near, " or ")+"?")
			}
			return cli.NoArgs(c, args)
		},
		Run: func(c *cli.Command, _ []string) error { return f.run(c.Path(), subjects) },
	}
	flags := &cmd.Flags
	flags.String(&f.mechanisms, "mechanism", "m", "", "only these `mechanisms`: A,B,…").Words(policy.Mechanisms()[1:]...)
	flags.String(&f.threads, "threads", "", "", "measure with 1, 4, 16 … up to `number` threads, at most 256 (minutes)")
	flags.String(&f.bytes, "bytes", "", "", "`lengths` for getrandom, with commas")
	flags.Bool(&f.free, "no-pin", "", "let supervisors run where the kernel puts them")
	flags.String(&f.seconds, "time", "", "", "spend that many `seconds` in loops, however well calls are known before")
	flags.String(&f.unit, "unit", "", "ns", "print times in `unit`: ns, or cycles of the counter").Words("ns", "cycles")
	flags.Bool(&f.text, "text", "", "every figure with its interval, for a mail")
	f.register(flags)
	flags.Bool(&f.check, "check", "", "measure twice; fail if the two differ by more than chance")
	return cmd
}

func (f *benchFlags) options(path string, subjects []string) (o overhead.Options, err error) {
	o = overhead.Options{Reflect: "/proc/self/exe", Version: version(), Subjects: subjects, Progress: progress()}
	if f.unit != "ns" && f.unit != "cycles" {
		return o, hinted(fmt.Errorf("unknown unit %q", f.unit), "--unit ns or --unit cycles")
	}
	o.Command = strings.Fields(path)
	add := func(name, value string) {
		if value != "" {
			o.Command = append(o.Command, "--"+name, value)
		}
	}
	if f.mechanisms != "" {
		o.Mechanisms = strings.Split(f.mechanisms, ",")
		add("mechanism", f.mechanisms)
	}
	add("threads", f.threads)
	add("bytes", f.bytes)
	add("time", f.seconds)
	if o.Free = f.free; o.Free {
		o.Command = append(o.Command, "--no-pin")
	}
	if f.threads != "" {
		if o.Threads, err = strconv.Atoi(f.threads); err != nil || o.Threads < 1 {
			return o, fmt.Errorf("--threads: %q is no number of threads", f.threads)
		}
	}
	if f.bytes != "" {
		for _, word := range strings.Split(f.bytes, ",") {
			n, err := strconv.Atoi(word)
			if err != nil || n < 1 || n > 65536 {
				return o, fmt.Errorf("--bytes: %q is no length from 1 to 65536", word)
			}
			o.Bytes = append(o.Bytes, n)
		}
	}
	if f.seconds != "" {
		s, err := strconv.ParseFloat(f.seconds, 64)
		if err != nil || !(s > 0 && s < 86400) {
			return o, fmt.Errorf("--time: %q is no number of seconds", f.seconds)
		}
		o.Time = time.Duration(s * float64(time.Second))
	}
	return o, nil
}

func (f *benchFlags) run(path string, subjects []string) error {
	o, err := f.options(path, subjects)
	if err != nil {
		return err
	}
	outputs, err := f.open() // before anything is measured
	if err != nil {
		return err
	}
	ctx, first := untilSignal()
	run, err := overhead.Run(ctx, o)
	clearProgress()
	text := overhead.TextOptions{Cycles: f.unit == "cycles", All: f.text}
	if err := outputs.finish(run, err, func(w io.Writer) error { return overhead.WriteText(w, run, text) }); err != nil {
		return err
	}
	if f.check && !run.Interrupted {
		second, err := overhead.Run(ctx, o)
		clearProgress()
		if err != nil {
			return err
		}
		if !second.Interrupted {
			say := os.Stdout
			if outputs.toStdout() {
				say = os.Stderr
			}
			return agree(say, run, second)
		}
		run = second
	}
	return ended(run, first)
}
