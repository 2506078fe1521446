package overhead

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sysreflect/sysreflect/experiment/machine"
	"github.com/sysreflect/sysreflect/experiment/meter"
	"github.com/sysreflect/sysreflect/experiment/results"
	"github.com/sysreflect/sysreflect/supervisor/probe"
	preloading "github.com/sysreflect/sysreflect/vdsoshim/preload"
)

// The ways that are no mechanisms.
const (
	native  = "native"
	again   = "native-again" // native once more, for the noise
	kernel  = "kernel-vdso"
	libc    = "libc"
	preload = "preload"
	own     = "own-generator"
	harness = "harness"
)

// A contestant is a meter under something. It keeps its way of starting, since
// memory is measured in fresh ones.
type contestant struct {
	name      string
	mechanism string // "" if none
	argv, env []string
	files     []*os.File
	placed    bool // its supervisor runs where the kernel puts it, others have the meter's processor
	cpu       int  // that it is started on with all that serves it, or machine.Anywhere
	running
	twin   *running          // that takes turns with it, if it has one: see bench.turn
	served map[string]string // call to what served it, where it was counted: see countCalls
}

// A running is a meter that was started, and what is known of its process.
type running struct {
	m       *meter.Meter
	program int              // its process under a supervisor, 0 for none
	command [2]time.Duration // processor time for being told what to do, of program and supervisor
}

// constant is what getppid returns where it is reflected: no process has that
// parent, but the one that is started by hand on a machine that just booted.
const constant = 7

// source is the policy that a mechanism's contestant runs under: one call for each
// subject, and getgid without a rule.
func source(mechanism string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nrules:\n")
	rule := func(calls, do string) {
		fmt.Fprintf(&b, "  - calls: %s\n    mechanism: %s\n    do: %s\n", calls, mechanism, do)
	}
	if mechanism != "vdso" { // a vDSO has no such functions
		rule("getppid", fmt.Sprintf("{return: %d}", constant))
		rule("getuid", "passthrough")
	}
	if mechanism == "vdso" {
		rule("[getrandom, clock_gettime, gettimeofday]", "shim")
	} else {
		rule("[getrandom, clock_gettime]", "shim")
	}
	return b.String()
}

// Policies returns the text of the policies that mechanisms are measured under.
func Policies(mechanisms []string) string {
	var b strings.Builder
	for _, m := range mechanisms {
		fmt.Fprintf(&b, "# %s\n%s", m, source(m))
	}
	return b.String()
}

// usable are the mechanisms that can be used here, and why others can't.
func usable(r *probe.Report) (names []string, not []results.LeftOut) {
	// From those that stay in the program to those that leave it the farthest.
	order := []string{"vdso", "patch", "trap", "sud", "notify", "ptrace", "ptrace-all"}
	slices.SortStableFunc(r.Mechanisms, func(a, b probe.Mechanism) int {
		return slices.Index(order, a.Name) - slices.Index(order, b.Name)
	})
	for _, m := range r.Mechanisms {
		if m.Usable {
			names = append(names, m.Name)
		} else {
			not = append(not, results.LeftOut{Way: m.Name, Why: m.Why})
		}
	}
	return names, not
}

func (c *contestant) start() (*meter.Meter, error) {
	return meter.Command{Name: c.name, Argv: c.argv, Env: c.env, Files: c.files, CPU: c.cpu}.Start()
}

// enlist starts a contestant, or says why it is left out.
func (b *bench) enlist(c *contestant) {
	c.cpu = b.cpu
	if c.placed || b.o.Free || b.o.Threads > 1 {
		c.cpu = machine.Anywhere
	}
	m, err := c.start()
	if errors.Is(err, fs.ErrNotExist) && c.argv[0] == b.files.Dynamic {
		err = errors.New("programs of glibc can't be started here: no /lib64/ld-linux-x86-64.so.2")
	}
	if err != nil {
		b.leaveOut("", c.name, err)
		c.close()
		return
	}
	c.m = m
	b.contestants = append(b.contestants, c)
	if !c.twice() || b.o.Threads > 1 {
		return
	}
	if m, err = c.start(); err != nil {
		b.drop(c, err)
		return
	}
	c.twin = &running{m: m}
}

func (b *bench) leaveOut(subject, way string, err error) {
	b.run.LeftOut = append(b.run.LeftOut, results.LeftOut{Subject: subject, Way: way, Why: strings.TrimPrefix(err.Error(), way+": ")})
}

func (c *contestant) close() {
	if c.m != nil {
		c.m.Close()
	}
	if c.twin != nil && c.twin.m != nil {
		c.twin.m.Close()
	}
	for _, f := range c.files {
		f.Close()
	}
}

// enlistAll starts what takes part.
func (b *bench) enlistAll(ctx context.Context) error {
	b.enlist(&contestant{name: native, argv: []string{b.files.Static}})
	b.enlist(&contestant{name: again, argv: []string{b.files.Static}})
	if b.contestant(native) == nil || b.contestant(again) == nil {
		return fmt.Errorf("the meter does not run: %s", b.run.LeftOut[0].Why)
	}
	if b.o.Threads <= 1 {
		b.enlist(&contestant{name: libc, argv: []string{b.files.Dynamic}})
		b.enlistPreload()
	} else {
		b.leaveOut("", libc+", "+preload, errors.New("threads are made without a C library"))
	}
	report := probe.Run(ctx)
	if ctx.Err() != nil { // then nothing was tried
		return nil
	}
	b.describeProcess(&report.Process)
	usable, not := usable(&report)
	for _, l := range not {
		if len(b.o.Mechanisms) == 0 || slices.Contains(b.o.Mechanisms, l.Way) {
			b.run.LeftOut = append(b.run.LeftOut, l)
		}
	}
	for _, m := range usable {
		if len(b.o.Mechanisms) > 0 && !slices.Contains(b.o.Mechanisms, m) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil
		}
		c, err := b.under(m)
		if err != nil {
			return err
		}
		b.enlist(c)
		if b.places(m) {
			if c, err = b.placed(m); err != nil {
				return err
			}
			b.enlist(c)
		}
	}
	if b.contestant("vdso") == nil && b.o.wants("getrandom") {
		b.leaveOut("getrandom", own, errors.New("it follows the counter that vdso exports, and that is not measured"))
	}
	return nil
}

// describeProcess says what native calls pay for because of how we are run.
func (b *bench) describeProcess(p *probe.Process) {
	note := func(text string) { b.run.Notes = append(b.run.Notes, text) }
	b.run.Machine.Container = p.Container
	switch {
	case p.Filters > 0:
		note(fmt.Sprintf("native calls pay for seccomp filters around this run: %d", p.Filters))
	case p.Seccomp != 0:
		note("native calls pay for a seccomp filter around this run")
	}
	if q := machine.Quota(); q > 0 {
		note(fmt.Sprintf("a control group leaves this run the time of %.2g processors: where it is used up, windows wait", q))
	}
	if p.Tracer != 0 {
		note("this run is itself traced")
	}
}

// enlistPreload adds the C library's functions with a library before them that
// serves random bytes by the generator.
func (b *bench) enlistPreload() {
	if !b.o.wants("getrandom") {
		return
	}
	library, err := preloading.Library()
	if err != nil {
		b.leaveOut("", preload, err)
		return
	}
	file, err := meter.Memory("reflect-preload.so", library)
	if err != nil {
		b.leaveOut("", preload, err)
		return
	}
	b.enlist(&contestant{name: preload, argv: []string{b.files.Dynamic}, files: []*os.File{file},
		env: []string{"LD_PRELOAD=/proc/self/fd/3"}})
}

// under is a contestant under `reflect run` with one mechanism.
func (b *bench) under(mechanism string) (*contestant, error) {
	b.mechanisms = append(b.mechanisms, mechanism)
	return b.reflected(mechanism)
}

func (b *bench) reflected(mechanism string) (*contestant, error) {
	policy, err := meter.Memory("policy", []byte(source(mechanism)))
	if err != nil {
		return nil, err
	}
	return &contestant{name: mechanism, mechanism: mechanism, files: []*os.File{policy},
		argv: []string{b.o.Reflect, "run", "-p", "/proc/self/fd/3", "--", b.files.Static}}, nil
}

func (b *bench) contestant(name string) *contestant {
	for _, c := range b.contestants {
		if c.name == name {
			return c
		}
	}
	return nil
}

// drop takes a contestant out that failed, with all that was measured on it.
func (b *bench) drop(c *contestant, err error) {
	b.leaveOut("", c.name, err)
	b.tasks = slices.DeleteFunc(b.tasks, func(t *task) bool { return t.by == c })
	b.contestants = slices.DeleteFunc(b.contestants, func(o *contestant) bool { return o == c })
	c.close()
}
