package supervisor

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/internal/early"
	"github.com/sysreflect/sysreflect/supervisor/internal/guardian"
)

// A rest is a time for which the program is stopped.
type rest struct {
	by     unix.Signal // what stopped it, 0 if it goes on
	shell  terminal
	had    bool          // the group that the program leads had the terminal
	anyway time.Duration // restAnyway, and twice as long each time

	awake, quiet time.Time // since when we are, and no call has come; zero if we were not woken yet
	calls        uint64
}

func (r *rest) begin(by unix.Signal, pid int) {
	*r = rest{by: by, shell: openTerminal(), anyway: restAnyway}
	r.had = r.shell.group() == pid
}

// goesOn notes that the program was continued, or did end.
func (r *rest) goesOn() {
	if r.by != 0 {
		r.by = 0
		r.shell.close()
	}
}

// rest stops this process as the program was stopped, so that the shell sees a stopped
// job, while the program rests and nothing is to be read or relayed.
//
// Others of the tree may run: a daemon, or who is to continue the program. Who of them
// waits for an answer has the guardian continue us, and we rest again when no more calls come.
func (c *Cmd) rest() {
	r := &c.resting
	rests, wakes := func() bool { return isStopped(c.pid) }, c.run.listener
	t := c.run.tracer
	if t != nil && r.by != 0 {
		rests, wakes = func() bool { return t.rests(c.pid, r.by) }, -1
		// Its end is told to its parent once its tracer has seen it.
		if end, err := unix.PidfdOpen(c.pid, 0); err == nil {
			defer unix.Close(end)
			wakes = end
		}
	}
	// The news may be old: if the terminal's signal stopped us as well, before it
	// was caught, we hear of it after both were continued.
	for r.by != 0 && !c.pending() {
		if !rests() || c.wantsOurs() {
			r.goesOn()
			return
		}
		if r.shell.look() {
			c.lend(r.had)
			c.goOn()
		}
		if c.busy() {
			time.Sleep(time.Millisecond)
			continue
		}
		if c.relay.decided(); c.pending() {
			return
		}
		c.sleep(wakes)
		if t != nil {
			r.goesOn()
			return
		}
		r.awake = time.Now()
		r.quiet = r.awake
	}
}

// pending reports whether the guardian has told something, or a signal was caught.
func (c *Cmd) pending() bool {
	p := []unix.PollFd{{Fd: int32(c.keeper.conn), Events: unix.POLLIN}, {Fd: int32(c.relay.caught.fd), Events: unix.POLLIN}}
	n, _ := unix.Poll(p, 0)
	return n != 0
}

const (
	// restAfter is how long no call may have come for a supervisor to rest again, and
	// restAnyway after what time it does while calls come, twice that the next time: a shell
	// must find it stopped at last.
	restAfter  = 50 * time.Millisecond
	restAnyway = time.Second

	// restPatience is for how long execs that are being handed off keep it from resting.
	restPatience = time.Second
)

// busy reports whether we were woken for a call, and more of them come.
func (c *Cmd) busy() bool {
	r, now := &c.resting, time.Now()
	if n := c.run.callCount(); n != r.calls {
		r.calls, r.quiet = n, now
	}
	if r.awake.IsZero() || now.Sub(r.quiet) > restAfter {
		return false
	}
	if now.Sub(r.awake) > r.anyway {
		r.anyway *= 2
		return false
	}
	return true
}

// callCount counts the calls that were answered.
func (r *run) callCount() (n uint64) {
	n = r.execs.Load()
	for i := range r.entries {
		n += r.entries[i].count.Load()
	}
	return n
}

// sleep has us stopped while no exec is handed off: of one whose notification was answered the
// guardian sees nothing, and its caller is stopped by us. Those that come meanwhile wait. Where one
// takes longer than the patience we stop all the same, for the shell to see it, and are woken soon.
func (c *Cmd) sleep(wakes int) {
	if gate := &c.run.handing; gate.close(restPatience) {
		defer gate.open()
	} else if ready, err := unix.Eventfd(1, unix.EFD_CLOEXEC); err == nil && c.run.tracer == nil {
		defer unix.Close(ready)
		wakes = ready // as if somebody waited for an answer
	}
	c.relay.sleep(c.keeper, wakes, c.resting.by)
}

// decided waits until forward has made up its mind about all signals. Time goes on while
// we are stopped: who compares times must be done with it, or the Ctrl-Z that stopped us all
// would be sent on after we were continued.
func (r *relay) decided() {
	for end := time.Now().Add(2 * groupWindow); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		r.mu.Lock()
		n := r.deciding
		r.mu.Unlock()
		if n == 0 {
			return
		}
	}
}

// sleep stops this process until it is continued: by who continues the program, or once
// there is something to read from or to write to a descriptor, unless that is negative.
func (r *relay) sleep(k *keeper, wakes int, sig unix.Signal) {
	k.sendFile(guardian.CommandWake, wakes)
	stopBy(sig)
	k.send(guardian.CommandAwake)
	r.mu.Lock()
	for s := range r.sight { // for those that the runtime has not handed over yet
		r.sight[s] = time.Now()
	}
	r.mu.Unlock()
}

// stopBy stops this process by the default action of sig, and returns when it was
// continued. The signal goes to this very thread: sent to the process, it would
// let the thread run on for a while.
//
// It is pending before its action is the default one: from there on one that was sent to the whole
// group may stop us as well. Who continues us then takes ours away too (prepare_signal); sent later, it
// would stop us once more.
func stopBy(sig unix.Signal) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if sig == unix.SIGSTOP {
		unix.Tgkill(unix.Getpid(), unix.Gettid(), sig)
		return
	}
	var set, before unix.Sigset_t
	set.Val[0] = 1 << (sig - 1)
	if unix.PthreadSigmask(unix.SIG_BLOCK, &set, &before) != nil {
		return
	}
	unix.Tgkill(unix.Getpid(), unix.Gettid(), sig)
	// signal.Reset would not do: once the runtime has a handler for a signal,
	// it keeps it and swallows the signal (runtime.sigdisable).
	var byDefault, old early.Action
	if early.SetAction(int(sig), &byDefault, &old) {
		defer early.SetAction(int(sig), &old, nil)
	}
	unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
}

// isStopped reports whether a process that was said to be stopped is so still. A first
// thread that has ended stops no more, but its process does.
func isStopped(pid int) bool {
	st, _ := readStat(pid)
	if st.state != 'Z' {
		return st.state == 'T'
	}
	threads, _ := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	return slices.ContainsFunc(threads, func(t os.DirEntry) bool {
		tid, _ := strconv.Atoi(t.Name())
		st, _ := readStat(tid)
		return st.state == 'T'
	})
}
