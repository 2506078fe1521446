package bpf

import (
	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

// A trapped call whose SIGSYS is blocked, or not handled by the shim, kills the
// process (force_sig_info_to_task). So where calls are trapped, those that could
// block SIGSYS or take its handler away are trapped too, whether a rule names them
// or not, and the shim makes them (vdsoshim/shim/sigmask.c).

// A signalCall is such a call, as far as conds hold.
type signalCall struct {
	nr    int
	conds []policy.Cond
}

// signalCalls are in ascending order. Those that wait under a mask need one.
var signalCalls = [...]signalCall{
	{unix.SYS_RT_SIGACTION, nil},
	{unix.SYS_RT_SIGPROCMASK, nil},
	{unix.SYS_RT_SIGRETURN, nil}, // but for the shim's restorer, which is at the gate
	{unix.SYS_WAIT4, nil},        // what tells tracers of signals, SIGSYS among them
	{unix.SYS_PTRACE, nil},
	{unix.SYS_RT_SIGPENDING, nil},
	{unix.SYS_RT_SIGTIMEDWAIT, nil},
	{unix.SYS_RT_SIGSUSPEND, nil},
	{unix.SYS_PRCTL, []policy.Cond{{Arg: 0, Op: policy.MaskEqual, Mask: 1<<32 - 1, Value: unix.PR_SET_SYSCALL_USER_DISPATCH}}},
	{unix.SYS_WAITID, nil},
	{unix.SYS_PSELECT6, []policy.Cond{{Arg: 5, Op: policy.NotEqual}}},
	{unix.SYS_PPOLL, []policy.Cond{{Arg: 3, Op: policy.NotEqual}}},
	{unix.SYS_EPOLL_PWAIT, []policy.Cond{{Arg: 4, Op: policy.NotEqual}}},
	{unix.SYS_IO_PGETEVENTS, []policy.Cond{{Arg: 5, Op: policy.NotEqual}}},
	{unix.SYS_IO_URING_ENTER, []policy.Cond{{Arg: 4, Op: policy.NotEqual}}},
	{unix.SYS_CLONE3, nil},
	{unix.SYS_EPOLL_PWAIT2, []policy.Cond{{Arg: 4, Op: policy.NotEqual}}},
}

func findSignalCall(nr int) *signalCall {
	for i := range signalCalls {
		if signalCalls[i].nr == nr {
			return &signalCalls[i]
		}
	}
	return nil
}

// IsSignalCall reports whether the shim makes calls of number nr, where anything is
// trapped, unless a rule answers them without the kernel.
func IsSignalCall(nr int) bool { return findSignalCall(nr) != nil }

// AlwaysSignal reports whether that is so whatever their arguments are.
func AlwaysSignal(nr int) bool {
	c := findSignalCall(nr)
	return c != nil && c.conds == nil
}

// UsesSignals reports whether calls are served by the shim's handler of SIGSYS under p.
func UsesSignals(p *policy.Plan) bool { return p.Uses(policy.Trap) || p.Uses(policy.SUD) }

// trap is the answer that leads to the handler of SIGSYS. Data is as that of asks.
func trap(data uint32) answer {
	return exempt(unix.SECCOMP_RET_TRAP | (vdsoshim.TrapData + data))
}

// toKernel reports whether a may leave a call to the kernel.
func toKernel(a policy.Action) bool {
	switch a.Kind {
	case policy.Allow, policy.Stub, policy.Audit, policy.Passthrough:
		return true
	}
	return false
}

// withSignals adds to a body of the main filter what trapped calls need. Last is
// true where no rule of the number holds for every call.
func withSignals(nr int, b body, x Exempt, byDefault bool, act policy.Action) body {
	if c := findSignalCall(nr); c != nil && byDefault && toKernel(act) {
		last := &b[len(b)-1]
		if c.conds == nil {
			last.answer = trap(0)
		} else {
			b = append(b[:len(b)-1], clause{c.conds, trap(0)}, *last)
		}
	}
	if nr == unix.SYS_MMAP && x.Region != 0 {
		for _, c := range b {
			if c.away&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_TRAP {
				// The handoff maps the image before there is a handler.
				ours := policy.Cond{Arg: 0, Op: policy.Equal, Value: x.Region}
				return append(body{{[]policy.Cond{ours}, allowed}}, b...)
			}
		}
	}
	return b
}
