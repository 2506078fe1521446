package supervisor

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/bpf"
	"github.com/sysreflect/sysreflect/internal/early"
	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/supervisor/internal/guardian"
	"github.com/sysreflect/sysreflect/supervisor/internal/starter"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

// Start starts the program. When it returns nil the program has been executed;
// errors of execve are returned, as os/exec does, and nothing runs then.
func (c *Cmd) Start() error {
	if c.run != nil {
		return errors.New("supervisor: already started")
	}
	if c.Plan == nil {
		return errors.New("supervisor: no plan")
	}
	if s := starter.Take(); s != nil {
		return c.adopt(s)
	}
	if c.lookErr != nil {
		return &ExecError{c.Path, errors.Unwrap(c.lookErr)}
	}
	if c.Plan.RNG.Block != policy.BlockAuto {
		if _, err := blockFunction(c.Plan.RNG.Block); err != nil {
			return err // before anything runs
		}
	}
	if c.Plan.Uses(policy.SUD) {
		// By which no thread is armed, nor disarmed.
		if err := unix.Prctl(unix.PR_SET_SYSCALL_USER_DISPATCH, unix.PR_SYS_DISPATCH_OFF, 0, 0, 0); err != nil {
			return fmt.Errorf("mechanism sud can't be used: it needs Syscall User Dispatch, which Linux has from 5.11 on: %w", err)
		}
	}
	r := newRun(c.Plan)
	r.user, r.timed, r.follow, r.warn = c.VDSO, c.Stats, c.FollowSites, c.Warn
	r.tracer = newTracer(r)
	if early.Main && c.relay.active && !r.ordered() {
		c.relay.monitor.calm()
	}
	if err := c.copies.connect(c.Stdin, c.Stdout, c.Stderr, c.ExtraFiles); err != nil {
		c.copies.abandon()
		return err
	}
	if err := c.prepare(r); err != nil {
		c.copies.abandon()
		c.StopRelay()
		if c.keeper != nil {
			c.keeper.killTree()
			c.keeper.collect()
			c.keeper.space.Release()
		}
		if r.region != nil {
			r.region.close()
		}
		return err
	}
	return c.awaitExec()
}

// prepare does all that comes before the program's first instruction. The shim is
// completed while the guardian starts the program, which installs the filter: here,
// on one thread, since another would have to be made first.
func (c *Cmd) prepare(r *run) (err error) {
	if r.region, err = newRegion(); err != nil {
		return err
	}
	block, err := c.launchBlock(r)
	if err != nil {
		return err
	}
	fds := make([]uintptr, len(c.copies.files))
	for i, f := range c.copies.files {
		fds[i] = number(f)
	}
	k, err := r.fixedAddresses(func() (*keeper, error) { return launch(block, r.region.fd, fds) })
	runtime.KeepAlive(c.copies.files)
	if c.keeper = k; err != nil {
		return err
	}
	if c.relay.active {
		c.relay.caught = new(caught)
		if err = c.relay.caught.catch(); err != nil {
			return err
		}
		r.caught = c.relay.caught
	}
	if err := r.buildRegion(c); err != nil {
		return err
	}
	return c.begin(r)
}

// number is f's descriptor. Unlike f.Fd it leaves O_NONBLOCK alone, which belongs
// to the open file and so to whoever shares it with us.
func number(f *os.File) uintptr {
	fd := ^uintptr(0) // closed
	if f != nil {
		if c, err := f.SyscallConn(); err == nil {
			c.Control(func(n uintptr) { fd = n })
		}
	}
	return fd
}

// launchBlock compiles the plan and says what the guardian starts.
func (c *Cmd) launchBlock(r *run) (l guardian.Launch, err error) {
	if err := r.fillTable(c.Handlers); err != nil {
		return l, err
	}
	if err := r.chooseBase(); err != nil {
		return l, err
	}
	filter, err := bpf.Compile(c.Plan, exempt(r.base))
	if err != nil {
		return l, err
	}
	r.denies = len(filter.Deny) > 0
	env := c.Env
	if env == nil {
		env = os.Environ()
	}
	before := inherited()
	return guardian.Launch{
		Path: c.Path, Args: c.Args, Env: env, Dir: c.Dir,
		Main: filter.Main, Deny: filter.Deny, KeepPrivileges: c.Setuid,
		Ignored: before.ignored, Blocked: before.blocked, Mask: before.known, Limit: before.files,
		Control: r.region.controlAt(), Tick: r.tick(), Trapped: r.traps(unix.SYS_FUTEX),
	}, nil
}

// exempt is where calls are exempt in programs that have the shim at base.
func exempt(base uint64) bpf.Exempt {
	return bpf.Exempt{
		Gate:     base + vdsoshim.GateOff,
		Stubs:    base + vdsoshim.StubsOff,
		StubsEnd: base + vdsoshim.StubsOff + vdsoshim.StubsSize,
		GateEnd:  base + vdsoshim.ExitsEnd,
		Region:   base,
	}
}

// begin takes the listener from the guardian and starts to serve.
func (c *Cmd) begin(r *run) error {
	m, fd, err := c.keeper.receive()
	switch {
	case err != nil:
		return err
	case m.Type == guardian.Exit:
		return &ExecError{c.Path, fmt.Errorf("killed before it ran: %w", &ExitError{&State{Status: unix.WaitStatus(m.Status)}})}
	case m.Type == guardian.Failed:
		return c.keeper.notStarted(guardian.Step(m.Detail), unix.Errno(m.Status))
	case m.Type != guardian.Started || fd < 0:
		return fmt.Errorf("unexpected message %d from the guardian", m.Type)
	}
	if err := r.region.seal(); err != nil { // before any program can map it
		unix.Close(fd)
		return err
	}
	r.listener, r.plain = fd, m.Detail != 0
	r.first.Store(m.PID)
	setSyncWakeUp(r.listener) // Linux >= 6.6; slower without, not wrong
	c.has(r, int(m.PID))
	if !c.relay.active {
		r.region.fold() // else await does, later
	}
	r.firstExec()
	if c.inline = early.Main && r.first.Load() == 0; !c.inline {
		go c.watch()
	}
	return nil
}

// has notes the run of the program whose first process is pid.
func (c *Cmd) has(r *run, pid int) {
	c.run, c.pid = r, pid
	c.exited, c.waited, c.empty = make(chan struct{}), make(chan struct{}), make(chan struct{})
	if c.relay.active && unix.Getpgrp() == unix.Getpid() {
		r.atExec = c.atExec
	}
}

func ptr[T any](v T) *T { return &v }

func startError(step guardian.Step, e unix.Errno) error {
	err := fmt.Errorf("%v: %w", step, e)
	switch {
	case e == unix.EBUSY:
		return fmt.Errorf("%w: %w", ErrListener, err)
	case e == unix.EINVAL || e == unix.ENOSYS || e == unix.EACCES || e == unix.EPERM:
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return err
}

// chooseBase picks where the shim goes in every program of the run.
func (r *run) chooseBase() (err error) {
	r.base, err = vdsoshim.Base(mmapMinAddr())
	return err
}

// buildRegion completes the shim for the kernel that runs and the plan.
func (r *run) buildRegion(c *Cmd) error {
	stats := c.Stats || c.FollowSites
	kernel, image, err := vdsoshim.Kernel()
	if err != nil {
		return fmt.Errorf("%w: read the kernel's vDSO: %w", ErrUnsupported, err)
	}
	off, ok := kernel.SyscallInsn()
	if !ok {
		return fmt.Errorf("%w: the kernel's vDSO has no syscall instruction", ErrUnsupported)
	}
	r.syscallInsn = off
	if err := r.region.begin(); err != nil {
		return err
	}
	o := vdsoshim.Options{Kernel: kernel, Bind: r.binding, Count: stats, Into: r.region.image}
	// A filter around us may kill for a call that programs here did not make so far.
	if mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0); err == nil && mode == 0 && len(r.user) == 0 && !r.plan.Sees(unix.SYS_MREMAP) {
		o.Data = vdsoshim.KernelData()
	}
	if r.binding("getrandom") == vdsoshim.Shim {
		block, err := blockFunction(r.plan.RNG.Block)
		if err != nil {
			return err
		}
		o.Blocks = block.Off()
	}
	o.Answers, o.Sigsys = r.answers(), r.sigsys()
	built, err := vdsoshim.Complete(o)
	if err != nil {
		return err
	}
	r.patching = r.newPatching(c, built, o.Answers)
	return r.region.fill(built, r.user, len(image), stats)
}

// binding says what a vDSO function leads to under the plan.
func (r *run) binding(symbol string) vdsoshim.Binding {
	switch r.plan.Binding(strings.TrimPrefix(symbol, "__vdso_")) {
	case policy.BindShim:
		return vdsoshim.Shim
	case policy.BindStub:
		return vdsoshim.Stub
	}
	return vdsoshim.Forward
}
