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

// And so are those by which a program takes a filter of its own, which may kill for
// calls that the shim makes for itself: it does without them from then on.

// A signalCall is such a call, as far as one of conds holds.
type signalCall struct {
	nr    int
	conds [][]policy.Cond
}

// OwnFilter is the sixth argument, which the kernel does not look at, of the call of seccomp(2)
// that installs a filter of ours under another.
const OwnFilter = 0x7265666c

func nonzero(arg int) []policy.Cond {
	return []policy.Cond{{Arg: arg, Op: policy.NotEqual}}
}

// lowHalf compares half an argument, as the kernel does with an int.
func lowHalf(arg int, value uint64) policy.Cond {
	return policy.Cond{Arg: arg, Op: policy.MaskEqual, Mask: 1<<32 - 1, Value: value}
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
	{unix.SYS_PRCTL, [][]policy.Cond{{lowHalf(0, unix.PR_SET_SYSCALL_USER_DISPATCH)}, {lowHalf(0, unix.PR_SET_SECCOMP)}}},
	{unix.SYS_WAITID, nil},
	{unix.SYS_PSELECT6, [][]policy.Cond{nonzero(5)}},
	{unix.SYS_PPOLL, [][]policy.Cond{nonzero(3)}},
	{unix.SYS_EPOLL_PWAIT, [][]policy.Cond{nonzero(4)}},
	{unix.SYS_SECCOMP, [][]policy.Cond{{lowHalf(0, unix.SECCOMP_SET_MODE_FILTER), {Arg: 5, Op: policy.NotEqual, Value: OwnFilter}}}},
	{unix.SYS_IO_PGETEVENTS, [][]policy.Cond{nonzero(5)}},
	{unix.SYS_IO_URING_ENTER, [][]policy.Cond{nonzero(4)}},
	{unix.SYS_CLONE3, nil},
	{unix.SYS_EPOLL_PWAIT2, [][]policy.Cond{nonzero(4)}},
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
// trapped, unless a rule answers them without the kernel. With a rule for seccomp(2) the
// supervisor hears of it.
func IsSignalCall(nr int) bool { return nr != unix.SYS_SECCOMP && findSignalCall(nr) != nil }

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
			rest := *last
			b = b[:len(b)-1]
			for _, conds := range c.conds {
				b = append(b, clause{conds, trap(0)})
			}
			b = append(b, rest)
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
