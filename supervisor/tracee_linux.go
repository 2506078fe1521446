package supervisor

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// errGone means that the tracee died, or that its call was interrupted, while
// we were at it.
var errGone = errors.New("the process is gone")

// A tracee is a thread under ptrace. ptrace(2) ties it to the thread that
// attached: all methods run on that one locked OS thread.
type tracee struct {
	tid int // the thread that we attached to; after an exec the process id
	pid int // its process
	// stop is what the last wait returned.
	stop unix.WaitStatus
	// sigstop means that a SIGSTOP arrived and was held back.
	sigstop bool
	dead    bool
	request int // how it was resumed: PTRACE_CONT or PTRACE_SYSCALL
	// by makes the requests, nil where that is us; entered means that the tracee is at the
	// entry of a call then.
	by      *orders
	entered bool
}

// ptrace makes a request that has no other method.
func (t *tracee) ptrace(request int, addr, data uintptr) error {
	if t.by != nil {
		return t.by.request(request, uint64(addr), uint64(data), nil)
	}
	return ptraceRequest(request, t.tid, addr, data)
}

func (t *tracee) getRegs(regs *unix.PtraceRegs) error {
	if t.by != nil {
		return t.by.request(unix.PTRACE_GETREGS, 0, 0, regsBytes(regs))
	}
	return unix.PtraceGetRegs(t.tid, regs)
}

func (t *tracee) setRegs(regs *unix.PtraceRegs) error {
	if t.by != nil {
		return t.by.request(unix.PTRACE_SETREGS, 0, 0, regsBytes(regs))
	}
	return unix.PtraceSetRegs(t.tid, regs)
}

// sigmask reads or writes the mask of blocked signals.
func (t *tracee) sigmask(request int, mask *uint64) error {
	if t.by != nil {
		return t.by.request(request, 8, 0, maskBytes(mask))
	}
	return ptraceSigmask(request, t.tid, mask)
}

// seize attaches to a thread without stopping it. A tracer that dies takes the
// tracee with it (EXITKILL): half a handoff must not run on.
func seize(tid int, options uintptr) (*tracee, error) {
	if e := ptraceSeize(tid, options); e != nil {
		return nil, e
	}
	t := &tracee{tid: tid, pid: tid}
	// A thread that has the id of its process is the leader: the cheapest way to know.
	if unix.Tgkill(tid, tid, 0) != nil {
		if pid := threadGroup(tid); pid != 0 {
			t.pid = pid
		}
	}
	return t, nil
}

// threadGroup reads a thread's process id; 0 if the thread is gone.
func threadGroup(tid int) int {
	pid, _ := statusField(tid, "Tgid")
	return pid
}

// wait blocks until the tracee stops or dies.
//
// It waits for that one id and no other: the host program's own children are
// none of our business. A thread that is not the leader takes the leader's id
// when its exec succeeds (de_thread), so both are looked at.
func (t *tracee) wait() error {
	if t.by != nil {
		return t.by.wait(t)
	}
	for pause := 20 * time.Microsecond; ; pause = min(2*pause, time.Millisecond) {
		options, ids, gone := unix.WALL, []int{t.pid}, 0
		if t.tid != t.pid {
			options |= unix.WNOHANG
			ids = []int{t.tid, t.pid} // in this order: the id changes from the one to the other
		}
		for _, id := range ids {
			got, err := unix.Wait4(id, &t.stop, options, nil)
			switch {
			case err == unix.ECHILD:
				gone++
			case got != id: // EINTR, or nothing yet
			case t.stop.Exited() || t.stop.Signaled():
				t.dead = true
				return errGone
			default:
				t.tid = id
				return nil
			}
		}
		if gone == len(ids) {
			t.dead = true
			return errGone
		}
		if options&unix.WNOHANG != 0 {
			time.Sleep(pause)
		}
	}
}

// event is the PTRACE_EVENT_* of the last stop, 0 if it was none.
func (t *tracee) event() int {
	return int(uint32(t.stop) >> 16)
}

// resume lets the tracee run with request (PTRACE_CONT or PTRACE_SYSCALL) and
// waits until reached says that the stop is the wanted one. A stop for a
// SIGSTOP is remembered and the signal is held back until the detach.
func (t *tracee) resume(request int, reached func() bool) error {
	if err := t.ptrace(request, 0, 0); err != nil {
		return t.lost(err)
	}
	t.request = request
	return t.await(reached)
}

// await is resume for a tracee that runs already.
func (t *tracee) await(reached func() bool) error {
	for {
		if err := t.wait(); err != nil {
			return err
		}
		if reached() {
			return nil
		}
		sig := 0
		switch s := t.stop.StopSignal(); {
		case t.event() != 0: // PTRACE_EVENT_STOP and others: go on
		case s == unix.SIGSTOP:
			t.sigstop = true
		case s == unix.SIGTRAP|0x80, s == unix.SIGTRAP && t.by != nil:
		default:
			sig = int(s)
		}
		if err := t.ptrace(t.request, 0, uintptr(sig)); err != nil {
			return t.lost(err)
		}
	}
}

// atSyscall reports whether the stop is at a call. Another's tracee may not tell those from
// the SIGTRAP of an exec, which has come before.
func (t *tracee) atSyscall() bool {
	s := t.stop.StopSignal()
	return s == unix.SIGTRAP|0x80 || t.by != nil && s == unix.SIGTRAP && t.event() == 0
}

// lost turns ESRCH from a ptrace request into errGone, after the tracee's death
// has been collected: a stopped tracee answers ESRCH only when it was killed.
func (t *tracee) lost(err error) error {
	if err != unix.ESRCH {
		return err
	}
	if t.by != nil {
		t.dead = true
	}
	for !t.dead {
		if t.wait() == nil {
			ptraceRequest(unix.PTRACE_CONT, t.tid, 0, 0)
		}
	}
	return errGone
}

// detach lets the tracee go on its own, with a SIGSTOP that was held back.
func (t *tracee) detach() {
	if t.dead {
		return
	}
	if t.sigstop {
		unix.Tgkill(t.pid, t.tid, unix.SIGSTOP)
	}
	if err := ptraceRequest(unix.PTRACE_DETACH, t.tid, 0, 0); err != nil {
		t.lost(err)
	}
}

func (t *tracee) String() string { return fmt.Sprintf("process %d", t.pid) }

// lockThread ties the goroutine to its OS thread for good: the thread ends with
// the goroutine, so no tracee can be left on a thread that others use.
func lockThread() { runtime.LockOSThread() }
