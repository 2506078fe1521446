package supervisor

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/bpf"
	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

// What sites' records make under dispatch is what the filter would have allowed, refused or sent
// to the supervisor anyway: it finds the same there as at the site. Nothing that the handler
// serves is made there.
func TestMovedCalls(t *testing.T) {
	sud := func(b *policy.Builder) *policy.Builder {
		return b.ReflectBy(policy.SUD, "getuid", policy.Action{Kind: policy.Return, Value: 1}).
			ReflectBy(policy.SUD, "ppoll", policy.Action{Kind: policy.Passthrough}).
			ReflectBy(policy.SUD, "getrandom", policy.Action{Kind: policy.Shim})
	}
	for name, b := range map[string]*policy.Builder{
		"alone":   sud(policy.New()),
		"beside":  sud(policy.New()).ReflectBy(policy.Patch, "getpid", policy.Action{Kind: policy.Passthrough}).Deny("unlink").Allow("epoll_pwait"),
		"trap":    sud(policy.New()).ReflectBy(policy.Trap, "openat", policy.Action{Kind: policy.Errno, Errno: 1}, policy.Arg(2).Equal(0)),
		"allowed": sud(policy.New()).Allow("read").Allow("write").Default(policy.Action{Kind: policy.Errno, Errno: 1}),
		"killed":  sud(policy.New()).Allow("read").Default(policy.Action{Kind: policy.Kill}),
		"notify":  sud(policy.New()).ReflectBy(policy.Notify, "getpgrp", policy.Action{Kind: policy.Return, Value: 2}),
	} {
		t.Run(name, func(t *testing.T) {
			plan, err := b.Plan()
			if err != nil {
				t.Fatal(err)
			}
			r := newRun(plan)
			const base = 0x100000
			stub := uint64(base + vdsoshim.StubsOff + vdsoshim.StubSize + vdsoshim.StubMade)
			filter, err := bpf.Compile(plan, bpf.Exempt{Gate: base + vdsoshim.GateOff, GateEnd: base + vdsoshim.ExitsEnd, Region: base,
				Stubs: base + vdsoshim.StubsOff, StubsEnd: base + vdsoshim.StubsOff + vdsoshim.StubsSize})
			if err != nil {
				t.Fatal(err)
			}
			answers, handled := r.answers(), r.sigsys()
			for nr := range vdsoshim.DispatchCalls {
				a, ok := answers[nr]
				if _, patched := plan.PatchedCall(nr); patched || !ok {
					continue
				}
				if a.Kind != vdsoshim.AnswerKernel || r.traps(nr) {
					t.Errorf("call %d: %v, trapped %t", nr, a, r.traps(nr))
				}
				if h := handled.Numbers[nr]; h == vdsoshim.TrappedSome || h == vdsoshim.TrappedSignals && bpf.AlwaysSignal(nr) {
					t.Errorf("call %d: the handler gets it: %#x", nr, h)
				}
				for _, args := range [][6]uint64{{}, {59, 1, 1, 1, 1, 1}} {
					at := func(ip uint64) bpf.Verdict {
						return filter.Simulate(bpf.Data{Nr: int32(nr), Arch: unix.AUDIT_ARCH_X86_64, IP: ip, Args: args})
					}
					if here, there := at(0x7f0000001000), at(stub); here.Action != there.Action || here.Data != there.Data {
						t.Errorf("call %d: %v at its site, %v from a stub", nr, here.Action, there.Action)
					}
				}
			}
			for _, name := range append(slices.Clone(policy.NeverPatched), "getuid", "getrandom", "ppoll", "rt_sigaction", "rt_sigprocmask") {
				nr, _ := policy.Number(name)
				if a, moved := answers[nr]; moved {
					t.Errorf("%s is made by records: %v", name, a)
				}
			}
			for _, nr := range []int{unix.SYS_CLOSE, unix.SYS_READ, unix.SYS_EPOLL_PWAIT, unix.SYS_FUTEX} {
				if !r.moves(nr) {
					t.Errorf("call %d is not", nr)
				}
			}
			signals := *plan
			signals.Others = policy.OthersSignal
			for nr := range newRun(&signals).answers() {
				if _, patched := plan.PatchedCall(nr); !patched {
					t.Errorf("others: signal, and call %d is made by records", nr)
				}
			}
		})
	}
	all, err := policy.Load("all-calls")
	if err == nil {
		all, err = all.WithMechanism(policy.SUD)
	}
	if err != nil {
		t.Fatal(err)
	}
	if a := newRun(all).answers(); len(a) > 0 {
		t.Errorf("every call is reflected by sud, and sites are patched for %v", a)
	}
}
