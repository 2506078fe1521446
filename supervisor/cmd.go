package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/reflect"
)

// A Cmd is a program to be run with some of its system calls reflected. Its
// fields mean what they mean in os/exec; they must not be changed after Start.
type Cmd struct {
	Path string   // the executable
	Args []string // the program's arguments, its own name first
	Env  []string // nil means the environment of this process; empty is empty
	Dir  string   // working directory, "" for this process's

	// Stdin, Stdout and Stderr are the program's, /dev/null where nil. An
	// *os.File is handed over as it is; anything else is copied through a
	// pipe, and Wait waits for the copying.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// ExtraFiles are descriptors 3 and up; nil stands for a closed one. Beyond
	// them the program has every descriptor of this process that is not
	// close-on-exec, under the same number, as by fork and execve.
	ExtraFiles []*os.File

	// Plan says what every call meets. It is required.
	Plan *policy.Plan
	// Handlers are what the plan's rules with `go: NAME` name, beside those of
	// reflect.Builtin, which they precede.
	Handlers map[string]reflect.Handler
	// Stats counts the calls that the shim serves in the program too, and
	// measures the time of those that the supervisor serves. Both cost time.
	Stats bool
	// FollowSites counts what each system call instruction made, for
	// [Counters].Sites. It includes what Stats does, and costs more.
	FollowSites bool
	// NoPatchCache analyzes a site anew in every process, in place of keeping what
	// was found out about a file for the whole run.
	NoPatchCache bool
	// Setuid keeps set-user-ID programs privileged. It needs CAP_SYS_ADMIN.
	Setuid bool
	// VDSO is a vDSO image to be used in place of the shim's; see
	// vdsoshim.CheckShape.
	VDSO []byte
	// Warn is told, once for each reason, what could not be reflected. It is
	// called from several threads and must not block.
	Warn func(message string)

	// State is set by Wait.
	State *State

	lookErr error
	run     *run
	keeper  *keeper
	exited  chan struct{} // the program's first process has ended
	waited  chan struct{} // and Wait may return: others are left, or the guardian is gone, too
	empty   chan struct{} // no process is left, and everything is released
	copies  plumbing
	failure error // why the tree ended without an exit status
	relay   relay
	resting rest
	lending sync.Mutex // of the terminal, and of
	others  time.Time  // when somebody else was seen in our process group
	turn    *os.File   // a successor's, see Detach
	pid     int
	inline  bool // Wait does what otherwise a goroutine does
	ended   bool // the program's first process has, or its tree
	left    bool // processes were left when the first ended
	// unfinished means that no process is left, and that nothing is released.
	unfinished bool
}

// A State is how a program ended.
type State struct {
	Status unix.WaitStatus // wait(2)
	Rusage unix.Rusage     // of the first process and the children it waited for
}

// ExitCode is the program's exit status as a shell gives it: 128+n where it died
// of signal n.
func (s *State) ExitCode() int {
	if s.Status.Signaled() {
		return 128 + int(s.Status.Signal())
	}
	return s.Status.ExitStatus()
}

// An ExitError is returned by Wait for a program that ended with a status other
// than 0 or died of a signal.
type ExitError struct{ *State }

func (e *ExitError) Error() string {
	if e.Status.Signaled() {
		msg := "signal: " + e.Status.Signal().String()
		if e.Status.CoreDump() {
			msg += " (core dumped)"
		}
		return msg
	}
	return fmt.Sprintf("exit status %d", e.Status.ExitStatus())
}

// Errors of Start, wrapped with what led to them. An error that names the
// program itself wraps the errno of execve(2), or exec.ErrNotFound.
var (
	// ErrListener means that this process already runs under a seccomp
	// listener, of another reflect or a sandbox: the kernel allows one a task
	// (EBUSY, seccomp_set_mode_filter).
	ErrListener = errors.New("already under a seccomp listener; the kernel allows one")
	// ErrNoHandler means that the plan names a handler that is neither in
	// Handlers nor builtin.
	ErrNoHandler = errors.New("no handler is called")
	// ErrTracer is what Detach says of programs that this process is the tracer of:
	// they can't change it.
	ErrTracer = errors.New("programs can't change their tracer")
	// ErrUnsupported means that the kernel lacks, or the sandbox around us
	// forbids, what the supervisor needs.
	ErrUnsupported = errors.New("not supported here")
)

// An ExecError is a program that could not be executed.
type ExecError struct {
	Path string
	Err  error
}

func (e *ExecError) Error() string { return e.Path + ": " + e.Err.Error() }
func (e *ExecError) Unwrap() error { return e.Err }

// Command returns a Cmd that runs name, looked up in PATH as a shell does, with
// the calls reflected that plan names.
func Command(plan *policy.Plan, name string, arg ...string) *Cmd {
	c := &Cmd{Plan: plan, Path: name, Args: append([]string{name}, arg...)}
	if filepath.Base(name) == name {
		if path, err := exec.LookPath(name); err == nil || errors.Is(err, exec.ErrDot) {
			c.Path, c.lookErr = path, err
		} else {
			c.lookErr = err
		}
	}
	return c
}

// Pid is the process id of the program's first process.
func (c *Cmd) Pid() int { return c.pid }

// Run starts the program and waits for it.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Wait waits until the program's first process has ended and its output has been
// copied. It returns an *ExitError unless that ended with status 0. Other
// processes that the program left behind go on and are served; see WaitTree.
func (c *Cmd) Wait() error {
	if c.run == nil {
		return errors.New("supervisor: not started")
	}
	if c.inline {
		c.watch()
	}
	<-c.waited
	err := c.copies.wait()
	if c.failure != nil {
		return c.failure
	}
	if c.State.Status.Signaled() || c.State.Status.ExitStatus() != 0 {
		return &ExitError{c.State}
	}
	return err
}

// Left reports, after Wait, whether the program left other processes behind.
func (c *Cmd) Left() bool { return c.left }

// WaitTree waits until no process of the program is left, those that it put in
// the background included, or until ctx is done.
func (c *Cmd) WaitTree(ctx context.Context) error {
	c.finishNow()
	select {
	case <-c.empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Kill kills every process of the program, and waits for their end.
func (c *Cmd) Kill() error {
	if c.run == nil {
		return errors.New("supervisor: not started")
	}
	c.keeper.killTree()
	c.finishNow()
	<-c.empty
	return nil
}

// Signal sends a signal to the program's first process.
func (c *Cmd) Signal(sig os.Signal) error {
	s, ok := sig.(unix.Signal)
	if !ok {
		return fmt.Errorf("supervisor: unknown signal %v", sig)
	}
	select {
	case <-c.exited:
		return os.ErrProcessDone
	default:
	}
	return unix.Kill(c.pid, s)
}
