//go:build linux && amd64

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"

	"github.com/sysreflect/sysreflect/cmd/reflect/internal/cli"
	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/reflect"
	"github.com/sysreflect/sysreflect/supervisor"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

// runFlags are the flags of `reflect run`.
type runFlags struct {
	plan      planFlags
	stats     string // "", "text" or "json"
	statsFile string
	sites     bool
	noCache   bool
	strict    bool
	seed      []string // each --seed; the last counts
	setuid    bool
	vdso      string
	verbose   bool
}

func runCommand() *cli.Command {
	var f runFlags
	cmd := &cli.Command{
		Use:   "run [flags] [--] program [argument]...",
		Short: "run a program with system calls reflected",
		Long: "Run starts a program and serves the system calls that the policy names in user space, in\n" +
			"the program itself, its threads, its children, and all that they execute. It ends when\n" +
			"the program itself does, with its exit status; what that leaves in the background lives on\n" +
			"and is served, and is waited for with --stats. Flags end at the first word that is not a\n" +
			"flag, or at --.",
		Example: "  reflect run --stats -- python3 -c 'import os; print(os.getrandom(4))'\n" +
			"  reflect run -p no-random -- curl https://example.org\n" +
			"  reflect run -p ./policy.yaml --stats=json --stats-file stats.json -- make\n" +
			"  reflect run --seed 42 -- go test -shuffle on ./...",
		Args: func(cmd *cli.Command, args []string) error {
			if len(args) == 0 {
				return hinted(errors.New("no program given"), "reflect run [flags] -- program [argument]...")
			}
			return nil
		},
		Run: func(_ *cli.Command, args []string) error { return f.run(args) },
	}
	flags := &cmd.Flags
	flags.First = true
	f.plan.register(cmd)
	flags.String(&f.stats, "stats", "", "", "report what was served: as `format` text or json").Words("text", "json").Bare = "text"
	flags.String(&f.statsFile, "stats-file", "", "", "write the report to `file`, not to standard error")
	flags.Bool(&f.sites, "sites", "", "report the system call instructions that reflected calls came from too")
	flags.Bool(&f.noCache, "no-patch-cache", "", "analyze call sites anew in every process")
	flags.Bool(&f.strict, "strict", "", "refuse to execute what can't be reflected (EACCES)")
	flags.Strings(&f.seed, "seed", "", "make random bytes deterministic, from `number`; for tests only")
	flags.Bool(&f.setuid, "setuid", "", "let set-user-ID programs keep their privilege; for root")
	flags.String(&f.vdso, "vdso", "", "", "give programs the vDSO image in `file`")
	flags.Bool(&f.verbose, "verbose", "v", "say what is done, on standard error")
	return cmd
}

// command turns flags and arguments into what is to be run.
func (f *runFlags) command(args []string) (*supervisor.Cmd, error) {
	if (f.statsFile != "" || f.sites) && f.stats == "" {
		f.stats = "text"
	}
	switch f.stats {
	case "", "text", "json":
	default:
		return nil, hinted(fmt.Errorf("unknown format %q", f.stats), "--stats, --stats=text or --stats=json")
	}
	plan, err := f.plan.load()
	if err != nil {
		return nil, err
	}
	if n := len(f.seed); n > 0 {
		if plan, err = withSeed(plan, f.seed[n-1]); err != nil {
			return nil, err
		}
	}
	if f.strict {
		strict := *plan
		strict.Strict = true
		plan = &strict
	}
	if f.setuid && os.Geteuid() != 0 {
		return nil, hinted(errors.New("--setuid needs root"), "without it set-user-ID programs run without their privilege")
	}
	c := &supervisor.Cmd{
		Args: args, Plan: plan,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Stats: f.stats != "", FollowSites: f.sites, NoPatchCache: f.noCache, Setuid: f.setuid, Warn: warn,
	}
	if c.Path, err = lookPath(args[0]); err != nil && !supervisor.Begun() {
		return nil, notStarted(args[0], &supervisor.ExecError{Path: c.Path, Err: err})
	}
	if f.vdso != "" {
		if c.VDSO, err = os.ReadFile(f.vdso); err != nil {
			return nil, err
		}
		if err := vdsoshim.CheckShape(c.VDSO); err != nil {
			return nil, fmt.Errorf("%s: %w", f.vdso, err)
		}
	}
	return c, nil
}

func (f *runFlags) run(args []string) error {
	c, err := f.command(args)
	if err != nil {
		return err
	}
	report := os.Stderr
	if f.statsFile != "" {
		// Before the program runs: a file that can't be written is our error,
		// and nothing has been done yet.
		if report, err = os.Create(f.statsFile); err != nil {
			return err
		}
		defer report.Close()
	}
	if f.verbose {
		f.describe(c)
	}
	for _, w := range c.Plan.Warnings {
		if w.EachRun || f.verbose {
			warn(w.String())
		}
	}
	c.Relay()
	if err := c.Start(); err != nil {
		// Told to end while the program was about to begin: natively that is its end.
		var early *supervisor.ExitError
		if errors.As(err, &early) && early.Status.Signaled() && asksToEnd(early.Status.Signal()) {
			dieOf(early.Status.Signal())
		}
		return notStarted(args[0], err)
	}
	err = c.Wait()
	f.leave(c)
	if f.stats != "" {
		if err := writeStats(report, f.stats, c.Counters()); err != nil {
			errorf("write the report: %v", err)
		}
	}
	var ended *supervisor.ExitError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &ended):
		return err
	case ended.Status.Signaled():
		dieOf(ended.Status.Signal())
	}
	return statusError(ended.ExitCode())
}

// leave lets what the program left in the background live on, as it would
// natively. Only where it is to be counted, or has us for its tracer, we stay, until it has ended or we are
// told to end it.
func (f *runFlags) leave(c *supervisor.Cmd) {
	if f.stats == "" {
		if !c.Left() {
			return
		}
		// Most of what is left is about to end (the rest of a pipeline, a
		// sandbox's init), sooner than a successor could start.
		soon, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		defer cancel()
		if c.WaitTree(soon) == nil {
			return
		}
		err := c.Detach("/proc/self/exe", serveOn)
		if err == nil {
			return
		}
		if !errors.Is(err, supervisor.ErrTracer) || f.verbose {
			warn(fmt.Sprintf("waiting for processes in the background: %v", err))
		}
	}
	c.StopRelay()
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	if c.WaitTree(ctx) != nil {
		c.Kill()
	}
}

// describe says what is about to be done.
func (f *runFlags) describe(c *supervisor.Cmd) {
	say(os.Stderr, "2", "info", fmt.Sprintf("executable %s, pid of reflect %d", c.Path, os.Getpid()))
	for _, x := range c.Plan.Explain() {
		line := fmt.Sprintf("%s: %s; system call: %s", x.Call, x.Meets, x.By)
		if x.VDSO != "" {
			line += "; vDSO function: " + x.VDSO
		}
		say(os.Stderr, "2", "info", line)
	}
}

// withSeed makes a plan's random bytes deterministic.
func withSeed(plan *policy.Plan, word string) (*policy.Plan, error) {
	seed, err := policy.ParseSeed(word)
	if err != nil {
		return nil, fmt.Errorf("--seed: %w", err)
	}
	return plan.WithSeed(seed)
}

// asksToEnd reports whether a signal is one by which users and shells end programs.
// Others before a program has begun tell of something wrong.
func asksToEnd(sig unix.Signal) bool {
	return sig == unix.SIGINT || sig == unix.SIGTERM || sig == unix.SIGHUP || sig == unix.SIGQUIT
}

// notStarted gives an error of Start the status and advice that it deserves.
func notStarted(name string, err error) error {
	var failed *supervisor.ExecError
	var ended *supervisor.ExitError
	// A process that ended before it executed anything says nothing about the
	// program.
	isExec := errors.As(err, &failed) && !errors.As(err, &ended)
	if isExec {
		err = failed.Err
	}
	named := fmt.Errorf("%s: %w", name, err)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		if name == "" {
			name = `""`
		}
		return &hintError{fmt.Errorf("%s: no such program in PATH", name), "", statusNotFound}
	case errors.Is(err, supervisor.ErrListener):
		return hinted(err, "run the whole under one reflect, or leave the sandbox; see reflect doctor")
	case errors.Is(err, supervisor.ErrNoHandler):
		return hinted(err, "handlers: "+strings.Join(reflect.Builtins(), ", ")+"; others are registered in Go, see docs/embedding.md")
	case errors.Is(err, supervisor.ErrUnsupported):
		return hinted(err, "reflect doctor says what is missing")
	case isExec && errors.Is(err, unix.ENOENT):
		hint := ""
		if _, e := os.Lstat(name); e == nil {
			hint = "the file is there, but the interpreter that it names is not"
		}
		return &hintError{named, hint, statusNotFound}
	case isExec && errors.Is(err, unix.ENOEXEC):
		hint := "a script without a #! line: reflect run -- sh " + name
		if binary(name) {
			hint = ""
		}
		return &hintError{named, hint, statusNotRunning}
	case isExec:
		return &hintError{named, "", statusNotRunning}
	}
	return err
}

// binary reports whether a file is certainly no script, by what shells look at: a
// NUL byte near its beginning.
func binary(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	var head [128]byte
	n, _ := f.Read(head[:])
	return bytes.IndexByte(head[:n], 0) >= 0 || bytes.HasPrefix(head[:n], []byte("\x7fELF"))
}

// planFlags are the flags that choose a policy.
type planFlags struct {
	policies  []string
	mechanism string
}

func (f *planFlags) register(cmd *cli.Command) {
	flags := &cmd.Flags
	flags.Strings(&f.policies, "policy", "p", "a preset's `name`, or a file's path with a slash; repeatable").Complete = presets
	flags.String(&f.mechanism, "mechanism", "m", "", "`mechanism` of rules that name none: reflect help mechanisms").Words(policy.Mechanisms()...)
}

func (f *planFlags) load() (*policy.Plan, error) { return loadPlan(f.policies, f.mechanism) }

func loadPlan(sources []string, mechanism string) (*policy.Plan, error) {
	plan, err := policy.Load(sources...)
	if err != nil || mechanism == "" {
		return plan, err
	}
	m, err := policy.ParseMechanism(mechanism)
	if err != nil {
		return nil, err
	}
	return plan.WithMechanism(m)
}
