package supervisor

import "golang.org/x/sys/unix"

// handle does what one stop asks for, and lets the thread go on. A request that
// fails says that the thread was killed meanwhile (ESRCH): its end is reported
// next.
func (t *tracer) handle(s stop) {
	th := t.threads[s.tid]
	switch {
	case s.status.Exited() || s.status.Signaled():
		t.drop(s.tid)
		return
	case t.execs.Load() > 0 && int(uint32(s.status)>>16) != unix.PTRACE_EVENT_EXEC && t.replaced(s.tid):
		return
	case th == nil:
		// A child's first stop, before its parent's event. After an exec by another
		// thread it is the new leader.
		th = t.add(s.tid)
	}
	sig := s.status.StopSignal()
	switch event := int(uint32(s.status) >> 16); event {
	case unix.PTRACE_EVENT_SECCOMP:
		t.seccompStop(th)
	case 0:
		if sig == unix.SIGTRAP|0x80 { // PTRACE_O_TRACESYSGOOD
			t.syscallStop(th)
			return
		}
		t.signal(th, sig)
	case unix.PTRACE_EVENT_STOP:
		if sig == unix.SIGTRAP {
			// Just born, or told that its group goes on (SIGCONT).
			t.setStopped(th.tid, false)
			t.resume(th, 0)
			return
		}
		// Stopped with its group, and to stay so until a SIGCONT, of which its parent is
		// told once it listens for that: before, we must not stop with it.
		ptraceRequest(unix.PTRACE_LISTEN, th.tid, 0, 0)
		t.setStopped(th.tid, true)
	case unix.PTRACE_EVENT_EXEC:
		t.exec(th, s.status)
	default: // PTRACE_EVENT_FORK, VFORK and CLONE
		t.born(th.tid)
		t.resume(th, 0)
	}
}

// replaced reports whether the stop that was collected is no more: another thread of
// the process has executed a program meanwhile, killed this one, the leader, and
// stands under its id at the exec's event, which wait has yet to tell. To let it go
// would lose that. A thread that stops for anything else is no longer in an exec.
func (t *tracer) replaced(tid int) bool {
	if atExec(tid) {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left(tid)
	return false
}

func (t *tracer) resume(th *traced, sig unix.Signal) {
	ptraceRequest(th.request, th.tid, 0, uintptr(sig))
}

func (t *tracer) setStopped(tid int, yes bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if yes {
		t.stopped[tid] = struct{}{}
	} else {
		delete(t.stopped, tid)
	}
}

// exec hands a fresh image off. The other threads of the process are gone and
// collected, or the exec would not be this far (de_thread); a thread that was not
// the leader has taken the leader's id.
func (t *tracer) exec(th *traced, status unix.WaitStatus) {
	r := t.r
	old := th.tid
	if msg, err := eventMessage(th.tid); err == nil {
		old = int(msg)
	}
	t.mu.Lock()
	from, notified := t.left(old)
	t.mu.Unlock()
	if old != th.tid {
		if before := t.threads[old]; before != nil {
			th.request = before.request
		}
		t.drop(old)
		r.patching.forget(old)
	}
	th.passing, th.inside, th.foretold = noPass, false, true
	tr := &tracee{tid: th.tid, pid: th.tid, stop: status}
	if !notified { // made as a call of another ABI, which the filter lets through
		r.execs.Add(1)
		from.nr = unix.SYS_EXECVE
		if r.streams != nil {
			from.departure = departure{program: r.streams.strays}
		}
	}
	r.handoffs.Add(1)
	defer r.handoffs.Add(-1)
	pair := together(tr.tid)
	defer pair.leave()
	if !r.settle(tr, from.departure, from.nr, false) {
		if tr.dead {
			t.drop(th.tid)
		}
		return
	}
	pair.release(tr.tid)
	t.letGo(tr)
}

// letGo lets a thread go on after its handoff, with a SIGSTOP that was held back.
func (t *tracer) letGo(tr *tracee) {
	if tr.sigstop {
		unix.Tgkill(tr.pid, tr.tid, unix.SIGSTOP)
	}
	if th := t.threads[tr.tid]; th != nil {
		t.resume(th, 0)
	}
}
