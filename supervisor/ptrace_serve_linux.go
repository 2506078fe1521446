package supervisor

import (
	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

// look reads which call a thread stopped for.
func (t *tracer) look(th *traced) bool {
	if getSyscallInfo(th.tid, &t.info) != nil {
		return false
	}
	i := &t.info
	t.s.n = notification{pid: uint32(th.tid), nr: int32(i.nr), arch: i.arch, ip: i.ip, args: i.args}
	return true
}

// seccompStop serves a call for which the filter asked.
func (t *tracer) seccompStop(th *traced) {
	if !t.look(th) || t.info.op != infoSeccomp {
		return
	}
	if th.passing.nr >= 0 && th.passing == t.call() {
		th.passing = noPass
		t.pass(th) // it had its answer when it was skipped
		return
	}
	e := t.s.match()
	if e == nil || !e.traced() || t.info.retData != e.data {
		// It is a filter of the program's own that asked, for a tracer that there
		// isn't: ENOSYS, as without us (__seccomp_filter).
		t.answer(th, -int64(unix.ENOSYS))
		return
	}
	if value, ok := t.apply(e); ok {
		t.answer(th, value)
	} else {
		t.pass(th)
	}
}

// answer skips the call that a filter asked for: with -1 for its number the kernel
// does nothing more, and what rax holds is what the program gets. Of the other
// registers none changes; rcx and r11 are as the instruction left them.
func (t *tracer) answer(th *traced, value int64) {
	ptraceRequest(unix.PTRACE_POKEUSR, th.tid, userOrigRax, ^uintptr(0))
	ptraceRequest(unix.PTRACE_POKEUSR, th.tid, userRax, uintptr(value))
	t.expect(th, true)
	t.resume(th, 0)
}

// pass leaves a call to the kernel.
func (t *tracer) pass(th *traced) {
	t.filtered = t.filtered || t.addsFilter()
	t.expect(th, false)
	t.resume(th, 0)
}

// expect chooses how a thread goes on under ptrace-all. With PTRACE_SYSEMU the next
// call stops once and is skipped, which is right for one that is reflected; with
// PTRACE_SYSCALL it stops twice, at entry and exit, and is made. A guess that was
// wrong costs two stops more: the next call is what the last one was, mostly.
//
// What is skipped no filter is asked for, so once a process has one of its own nothing
// is any more.
func (t *tracer) expect(th *traced, reflected bool) {
	switch {
	case !t.all:
	case reflected && !t.filtered:
		th.request, th.inside = ptraceSysemu, false
	default:
		th.request, th.inside = unix.PTRACE_SYSCALL, true
	}
}

// syscallStop is at a call's entry or exit, under ptrace-all.
func (t *tracer) syscallStop(th *traced) {
	if th.inside {
		th.inside = false
		t.resume(th, 0)
		return
	}
	if !t.look(th) {
		return
	}
	if t.info.op != infoEntry {
		t.resume(th, 0)
		return
	}
	var e *entry
	if !t.exempt(t.info.ip) {
		if e = t.s.match(); e != nil && !e.traced() {
			e = nil
		}
	}
	passing := th.passing.nr >= 0 && th.passing == t.call()
	if !passing || e == nil {
		th.passing = noPass
	}
	skipped := th.request == ptraceSysemu
	switch {
	case passing && !skipped:
		t.pass(th) // where a filter asks for it, it is passed there too
	case e == nil && skipped:
		th.passing = t.call()
		t.again(th)
	case skipped && t.filtered:
		t.again(th)
	case e == nil:
		t.pass(th)
	case skipped:
		if value, ok := t.apply(e); ok {
			ptraceRequest(unix.PTRACE_POKEUSR, th.tid, userRax, uintptr(value))
			t.resume(th, 0)
		} else {
			th.passing = t.call()
			t.again(th)
		}
	default:
		// The filter asks for it, after this stop (syscall_trace_enter): it is
		// answered there. Here it would take -1 for a number, which a filter of the
		// program's own might kill for. With PTRACE_SYSEMU its exit does not stop.
		t.expect(th, true)
		t.resume(th, 0)
	}
}

// again has a thread make the call that was skipped, as the kernel restarts calls:
// at the instruction, with the number in rax. The stop at the exit of the skipped
// call comes first, then its entry.
func (t *tracer) again(th *traced) {
	ptraceRequest(unix.PTRACE_POKEUSR, th.tid, userOrigRax, ^uintptr(0))
	ptraceRequest(unix.PTRACE_POKEUSR, th.tid, userRax, uintptr(t.info.nr))
	ptraceRequest(unix.PTRACE_POKEUSR, th.tid, userRip, uintptr(t.info.ip-syscallInsn))
	t.expect(th, false)
	t.resume(th, 0)
}

func (t *tracer) call() pass {
	return pass{int64(t.info.nr), t.info.ip, t.info.sp, t.info.args}
}

// apply lets a rule's handler answer; false leaves the call to the kernel.
func (t *tracer) apply(e *entry) (value int64, ok bool) {
	s := t.s
	s.resp = response{flags: flagContinue}
	s.apply(e)
	switch {
	case s.resp.flags&flagContinue != 0:
		return 0, false
	case s.resp.err != 0:
		return int64(s.resp.err), true
	}
	return s.resp.val, true
}

// addsFilter reports whether the call is one by which programs take seccomp filters.
func (t *tracer) addsFilter() bool {
	nr, prctl, seccomp := t.info.nr&^x32Bit, uint64(unix.SYS_PRCTL), uint64(unix.SYS_SECCOMP)
	if t.info.arch != unix.AUDIT_ARCH_X86_64 {
		prctl, seccomp = 172, 354 // of i386
	}
	return nr == seccomp || nr == prctl && uint32(t.info.args[0]) == unix.PR_SET_SECCOMP
}

// exempt reports whether a call comes from the shim, which makes it for the
// program. The filter lets it through; calls that stop before it must be, too.
func (t *tracer) exempt(ip uint64) bool {
	off := ip - syscallInsn - t.r.base
	return off == vdsoshim.GateOff || off >= vdsoshim.StubsOff && off < vdsoshim.StubsOff+vdsoshim.StubsSize
}

// traced reports whether a rule's calls are the tracer's to serve.
func (e *entry) traced() bool {
	return e.handler != nil && (e.rule.Mechanism == policy.Ptrace || e.rule.Mechanism == policy.PtraceAll)
}
