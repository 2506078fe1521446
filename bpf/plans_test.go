package bpf

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
)

// testGate is where the gate stands in tests.
const testGate = 0x123456

// testExempt has the stubs in pages of their own.
var testExempt = around(testGate)

// around has stubs above a gate, or below it where the 4 GiB end.
func around(gate uint64) Exempt {
	switch {
	case gate == 0:
		return Exempt{}
	case (gate+0x3000)>>32 == (gate+syscallLen)>>32:
		return Exempt{Gate: gate, Stubs: gate + 0x1000, StubsEnd: gate + 0x3000, GateEnd: gate + 0x800, Region: gate - 0x8000}
	}
	return Exempt{Gate: gate, Stubs: gate - 0x3000, StubsEnd: gate - 0x1000, GateEnd: gate + 0x800, Region: gate - 0x8000}
}

func do(k policy.Kind) policy.Action { return policy.Action{Kind: k} }

func arg(n int, op policy.Op, v uint64) policy.Cond { return policy.Cond{Arg: n, Op: op, Value: v} }

func masked(n int, mask, v uint64) policy.Cond {
	return policy.Cond{Arg: n, Op: policy.MaskEqual, Mask: mask, Value: v}
}

func built(b *policy.Builder) func(*testing.T) *policy.Plan {
	return func(t *testing.T) *policy.Plan {
		t.Helper()
		p, err := b.Plan()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}

func literal(p *policy.Plan) func(*testing.T) *policy.Plan {
	slices.SortStableFunc(p.Rules, func(a, b policy.Rule) int { return a.Nr - b.Nr })
	return func(*testing.T) *policy.Plan { return p }
}

func everyCall(a policy.Action, step int) *policy.Plan {
	p := &policy.Plan{}
	for nr := 0; nr < 480; nr += step {
		if !isHandoff(nr) {
			p.Rules = append(p.Rules, policy.Rule{Nr: nr, Action: a})
		}
	}
	return p
}

// plans are what the tests compile; each has a golden listing but the large.
var plans = []struct {
	name  string
	plan  func(*testing.T) *policy.Plan
	large bool
}{
	{"default", loaded(), false},
	{"empty", literal(&policy.Plan{}), false},
	{"vdso", built(policy.New().ReflectBy(policy.VDSO, "getrandom", do(policy.Shim))), false},
	{"constants", built(policy.New().
		Return("getppid", 0).Return("getpgrp", -38).Return("getuid", 1000).
		Errno("uname", unix.EFAULT).Reflect("sync", do(policy.Audit))), false},
	{"deny", built(policy.New().Deny("ptrace").Deny("io_uring_setup").
		Reflect("kexec_load", do(policy.Kill)).Shim("getrandom")), false},
	{"deny_conditions", built(policy.New().
		Allow("socket", arg(0, policy.Equal, unix.AF_UNIX)).
		Go("socket", "inet", arg(0, policy.Equal, unix.AF_INET), masked(1, 0xf, unix.SOCK_STREAM)).
		Deny("socket")), false},
	{"conditions", built(policy.New().
		Errno("getrandom", unix.EINVAL, masked(2, 0xfffffff8, 8)).
		Return("getrandom", 0, arg(1, policy.Less, 1<<33), arg(1, policy.Greater, 3)).
		Go("getrandom", "h", arg(0, policy.NotEqual, 0), arg(3, policy.GreaterEqual, 1<<32), arg(3, policy.LessEqual, 1<<40|7))), false},
	{"handoff", built(policy.New().Deny("prctl", arg(0, policy.Equal, unix.PR_SET_MM)).
		Errno("mmap", unix.ENOMEM, arg(1, policy.Greater, 1<<40)).Return("munmap", 0).Deny("execve").Deny("seccomp")), false},
	{"passthrough", built(policy.New().
		Passthrough("@basic-io").Shim("getrandom").Passthrough("futex").
		ReflectBy(policy.Patch, "getuid", policy.Action{Kind: policy.Return}).
		ReflectBy(policy.Notify, "getgid", do(policy.Passthrough))), false},
	{"mechanisms", built(policy.New().
		ReflectBy(policy.Trap, "uname", policy.Action{Kind: policy.Errno, Errno: int(unix.EFAULT)}).
		ReflectBy(policy.Trap, "getrandom", do(policy.Shim), arg(1, policy.Less, 4096)).
		ReflectBy(policy.Ptrace, "getrandom", do(policy.Shim)).
		ReflectBy(policy.SUD, "getppid", do(policy.Passthrough)).
		ReflectBy(policy.PtraceAll, "getuid", do(policy.Passthrough)).
		ReflectBy(policy.Ptrace, "getgid", policy.Action{Kind: policy.Return, Value: 7}, arg(0, policy.Equal, 1)).
		ReflectBy(policy.Notify, "getegid", do(policy.Passthrough))), false},
	{"passthrough_deny", built(policy.New().
		Deny("fcntl").Allow("read", arg(0, policy.Equal, 0)).Passthrough("read").Passthrough("mmap").Passthrough("write").
		Default(do(policy.Deny))), false},
	{"default_deny", built(policy.New().Default(do(policy.Deny)).
		Allow("read").Allow("write").Allow("openat", masked(2, unix.O_ACCMODE, 0)).Shim("getrandom")), false},
	{"default_kill", built(policy.New().Default(do(policy.Kill)).Allow("read").Allow("write")), false},
	{"default_errno", built(policy.New().Default(policy.Action{Kind: policy.Errno, Errno: int(unix.ENOSYS)}).Allow("read").Shim("time")), false},
	{"default_audit", built(policy.New().Default(do(policy.Audit)).Allow("read").Foreign(true)), false},
	{"foreign", built(policy.New().Deny("ptrace").Foreign(true)), false},
	{"bare_default_kill", literal(&policy.Plan{Default: do(policy.Kill)}), true},
	{"all_calls", loaded("all-calls"), true},
	{"every_call", literal(everyCall(do(policy.Go), 1)), true},
	{"every_other_call", literal(everyCall(do(policy.Deny), 2)), true},
	{"every_third_errno", literal(manyErrnos()), true},
	{"many_rules", literal(manyRules(300)), true},
	{"many_conditions", literal(manyConditions(100)), true},
}

// manyErrnos has an answer of its own for each number.
func manyErrnos() *policy.Plan {
	p := everyCall(do(policy.Errno), 3)
	for i := range p.Rules {
		p.Rules[i].Action.Errno = i + 1
	}
	return p
}

// manyRules gives one number n rules.
func manyRules(n int) *policy.Plan {
	p := &policy.Plan{}
	for i := range n {
		kind := []policy.Kind{policy.Errno, policy.Go, policy.Deny, policy.Allow}[i%4]
		p.Rules = append(p.Rules, policy.Rule{Nr: 41, Action: policy.Action{Kind: kind, Errno: i + 1}, Conds: []policy.Cond{arg(i%6, policy.Equal, uint64(i))}})
	}
	p.Rules = append(p.Rules, policy.Rule{Nr: 60, Action: do(policy.Go)}, policy.Rule{Nr: 400, Action: do(policy.Deny)})
	return p
}

// manyConditions has one rule whose conditions do not fit into a short jump.
func manyConditions(n int) *policy.Plan {
	r := policy.Rule{Nr: 41, Action: do(policy.Deny)}
	for i := range n {
		r.Conds = append(r.Conds, arg(i%6, policy.NotEqual, uint64(i)<<30))
	}
	r.Conds = append(r.Conds, masked(5, 0xaaaaaaaaaaaaaaaa, 0x8888888888888888), masked(5, 0x5555555555555555, 0x4444444444444444))
	return &policy.Plan{Rules: []policy.Rule{r, {Nr: 41, Action: do(policy.Go), Conds: []policy.Cond{arg(2, policy.Equal, 5)}}}}
}
