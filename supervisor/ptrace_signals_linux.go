package supervisor

import "golang.org/x/sys/unix"

// restartNoHand is ERESTARTNOHAND (linux/errno.h): a call that returns it is made
// again, or returns EINTR where a handler runs first.
const restartNoHand = 514

// signal hands a signal on to the thread that it was about to reach, with the siginfo
// that it has, since the number stays (ptrace_signal).
//
// Without a tracer an ignored signal is not even queued (sig_ignored), so it ends no
// call. With one it does. Most calls are then made again by the kernel, but some return
// EINTR whatever the signal was (signal(7)). Those that were to wait without end are
// made again, too: the kernel does it, on its way to the next signal, or to none
// (arch_do_signal_or_restart). Of the others nobody knows how long they have waited.
func (t *tracer) signal(th *traced, sig unix.Signal) {
	var regs unix.PtraceRegs
	if mayBeIgnored(sig) && unix.PtraceGetRegs(th.tid, &regs) == nil && endless(&regs) && ignores(th.tid, sig) {
		ptraceRequest(unix.PTRACE_POKEUSR, th.tid, userRax, ^uintptr(restartNoHand-1))
	}
	t.resume(th, sig)
}

// mayBeIgnored leaves out signals of faults, and those for which it is a stop that
// ends the call.
func mayBeIgnored(sig unix.Signal) bool {
	switch sig {
	case unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGSYS, unix.SIGSTOP, unix.SIGCONT:
		return false
	}
	return true
}

// endless reports whether regs are those of a call that has just returned EINTR and
// had no time limit.
func endless(regs *unix.PtraceRegs) bool {
	if regs.Cs != userCS64 || int64(regs.Rax) != -int64(unix.EINTR) {
		return false
	}
	switch regs.Orig_rax {
	case unix.SYS_EPOLL_WAIT, unix.SYS_EPOLL_PWAIT:
		return int32(regs.R10) < 0
	case unix.SYS_EPOLL_PWAIT2, unix.SYS_SEMTIMEDOP:
		return regs.R10 == 0
	case unix.SYS_RT_SIGTIMEDWAIT:
		return regs.Rdx == 0
	case unix.SYS_IO_GETEVENTS:
		return regs.R8 == 0
	case unix.SYS_SEMOP:
		return true
	}
	return false
}

// ignores reports whether a process ignores a signal, by its own choice or by
// default.
func ignores(tid int, sig unix.Signal) bool {
	masks := statusMasks(tid, "SigIgn", "SigCgt")
	bit := uint64(1) << (sig - 1)
	switch sig {
	case unix.SIGCHLD, unix.SIGURG, unix.SIGWINCH:
		return masks[1]&bit == 0
	}
	return masks[0]&bit != 0
}
