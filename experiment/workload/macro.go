package workload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sysreflect/sysreflect/experiment/machine"
	"github.com/sysreflect/sysreflect/experiment/overhead"
	"github.com/sysreflect/sysreflect/experiment/results"
)

// A macro is a program that people run, with what it works on.
type macro struct {
	name  string
	needs []string // programs
	// prepare makes what it works on, in a directory of its own, and returns the
	// command.
	prepare func(ctx context.Context, dir string, find func(string) string) ([]string, error)
	// before is run by sh before each run.
	before string
}

// macros are chosen for their calls: many small ones on files (walk, git), large
// ones (git log), few of them and much work (compile), writes that must reach a
// disk (sqlite), a loader and an interpreter (python).
func macros() []macro {
	return []macro{
		{name: "compile a file of C", needs: []string{"gcc"}, prepare: compile},
		{name: "git status", needs: []string{"git"}, prepare: gitStatus},
		{name: "git log -p", needs: []string{"git"}, prepare: gitLog},
		{name: "walk a tree of files", needs: []string{"find"}, prepare: walk},
		{name: "sqlite3: fill and index a table", needs: []string{"sqlite3", "sh"}, prepare: sqlite, before: "rm -f database"},
		{name: "python3: import modules", needs: []string{"python3"}, prepare: python},
	}
}

// AllCalls says how to measure what it costs to send every call by each mechanism
// that can: single calls, and whole programs, under a policy that passes all calls
// through.
type AllCalls struct {
	Reflect, Version string
	Command          []string
	Choice
	Schedule
	Only []string // names, or beginnings of words in them; nil for all
}

// Run measures. When ctx ends it stops, and returns what it has.
func (a *AllCalls) Run(ctx context.Context) (*results.Run, error) {
	run, finish := Begin(ctx, a.Version, a.Command)
	a.Policies, a.Drop = []string{"all-calls"}, true
	a.setPolicy(run)
	err := a.null(ctx, run)
	if err == nil && ctx.Err() == nil {
		err = a.add(ctx, run)
	}
	finish()
	return run, err
}

// null measures a single call that does nothing and is passed through.
func (a *AllCalls) null(ctx context.Context, run *results.Run) error {
	if !a.wanted(nullName) {
		return nil
	}
	o := overhead.Options{Reflect: a.Reflect, Version: a.Version, Subjects: []string{"passthrough"}, Time: 5 * time.Second}
	for _, m := range a.Mechanisms {
		if m != None && m != "auto" {
			o.Mechanisms = append(o.Mechanisms, m)
		}
	}
	if a.Progress != nil {
		o.Progress = func(_ float64, what string) { a.Progress(0, 0, nullName+": "+what) }
	}
	calls, err := overhead.Run(ctx, o)
	if err != nil {
		return err
	}
	for _, f := range calls.Figures {
		if f.Subject == "passthrough" {
			run.Figures = append(run.Figures, f)
		}
	}
	run.LeftOut = append(run.LeftOut, calls.LeftOut...)
	run.Interrupted = run.Interrupted || calls.Interrupted
	run.Machine.TSCHz, run.Machine.TSCError = calls.Machine.TSCHz, calls.Machine.TSCError
	run.Noise.By = map[string]float64{"passthrough": calls.Noise.Value}
	run.Noise.Pace, run.Noise.Shared = calls.Noise.Pace, calls.Noise.Shared
	run.Machine.Container = calls.Machine.Container
	run.Machine.Pinned = nullName + ": " + calls.Machine.Pinned
	ofAll := machine.Notes(&calls.Machine) // those of the whole run come at its end
	for _, n := range calls.Notes {
		if !slices.Contains(ofAll, n) {
			run.Notes = append(run.Notes, nullName+": "+n)
		}
	}
	return nil
}

// add measures the programs and adds them to a run.
func (a *AllCalls) add(ctx context.Context, run *results.Run) error {
	ways, left, err := a.Ways(ctx)
	if err != nil {
		return err
	}
	for _, l := range left {
		if !slices.ContainsFunc(run.LeftOut, func(o results.LeftOut) bool { return o.Way == l.Way }) {
			run.LeftOut = append(run.LeftOut, l)
		}
	}
	dir, err := os.MkdirTemp("", "reflect-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for i, m := range macros() {
		if ctx.Err() != nil {
			return nil
		}
		if a.wanted(m.name) {
			err := a.one(ctx, run, ways, &m, filepath.Join(dir, fmt.Sprint(i)))
			if err != nil && ctx.Err() == nil {
				leaveOut(run, m.name, err)
			}
		}
	}
	if ctx.Err() == nil && a.wanted(redisName) {
		if err := a.redis(ctx, run, ways, filepath.Join(dir, "redis")); err != nil && ctx.Err() == nil {
			leaveOut(run, redisName, err)
		}
	}
	return nil
}

func leaveOut(run *results.Run, name string, err error) {
	run.LeftOut = append(run.LeftOut, results.LeftOut{Subject: prefix + name, Why: err.Error()})
}

func (a *AllCalls) wanted(name string) bool {
	if len(a.Only) == 0 {
		return true
	}
	for _, o := range a.Only {
		for _, word := range strings.Fields(name) {
			if strings.HasPrefix(word, o) {
				return true
			}
		}
	}
	return false
}

// UnknownNames are those among names for Only that name nothing.
func UnknownNames(only []string) (unknown []string) {
	for _, o := range only {
		a := AllCalls{Only: []string{o}}
		if !slices.ContainsFunc(MacroNames(), a.wanted) {
			unknown = append(unknown, o)
		}
	}
	return unknown
}

// nullName is the single call's, for Only.
const nullName = "null call"

// MacroNames are what Only can name.
func MacroNames() []string {
	names := []string{nullName}
	for _, m := range macros() {
		names = append(names, m.name)
	}
	return append(names, redisName)
}

// programs finds what a workload needs.
func programs(needs []string) (map[string]string, error) {
	found := map[string]string{}
	var missing []string
	for _, n := range needs {
		path, err := exec.LookPath(n)
		if n == "python3" {
			// A wrapper of that name may stand before the interpreter in PATH.
			if _, e := os.Stat("/usr/bin/python3"); e == nil {
				path, err = "/usr/bin/python3", nil
			}
		}
		if err == nil {
			path, err = filepath.Abs(path)
		}
		if err != nil {
			missing = append(missing, n)
		}
		found[n] = path
	}
	if len(missing) > 0 {
		return nil, errors.New("not installed: " + strings.Join(missing, ", "))
	}
	return found, nil
}

func (a *AllCalls) one(ctx context.Context, run *results.Run, ways []Way, m *macro, dir string) error {
	found, err := programs(m.needs)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	args, err := m.prepare(ctx, dir, func(name string) string { return found[name] })
	if err != nil {
		return err
	}
	c := &Command{Self: a.Reflect, Path: args[0], Args: args, Dir: dir, Env: environment(dir), Prepare: m.before}
	if err := c.Open(ctx); err != nil {
		return err
	}
	s := &Subject{Name: prefix + m.name, Ways: ways, Once: c.Once, Count: c.Count}
	plan := a.named(m.name)
	measured, err := Measure(ctx, s, &plan)
	err = errors.Join(err, c.Close())
	measured.Into(run)
	return err
}

// named is the schedule, whose progress says what is measured.
func (a *AllCalls) named(name string) Schedule {
	plan := a.Schedule
	if show := a.Progress; show != nil {
		plan.Progress = func(round, total int, way string) { show(round, total, name+": "+way) }
	}
	return plan
}

// environment is one in which programs find nothing of the user's: no settings, no
// hooks, no caches. A reflect that is built with the race detector has its settings there.
func environment(dir string) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LANG=C.UTF-8", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_OPTIONAL_LOCKS=0", "GIT_PAGER=cat", "TMPDIR=" + dir}
	if race, ok := os.LookupEnv("GORACE"); ok {
		env = append(env, "GORACE="+race)
	}
	return env
}

// prepareBy runs a command natively.
func prepareBy(ctx context.Context, dir string, argv ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, environment(dir)
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
