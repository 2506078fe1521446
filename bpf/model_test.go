package bpf

import (
	"math/rand/v2"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

// model says what the kernel must do with call d under plan p, straight from
// the plan: one answer, no filters, no precedence.
func model(p *policy.Plan, x Exempt, d *Data) uint32 {
	const (
		allow  = unix.SECCOMP_RET_ALLOW
		notify = unix.SECCOMP_RET_USER_NOTIF
		errno  = unix.SECCOMP_RET_ERRNO
	)
	if d.Arch != unix.AUDIT_ARCH_X86_64 || uint32(d.Nr) >= 1<<30 {
		if p.RefusesForeign() {
			return errno | uint32(unix.ENOSYS)
		}
		return allow
	}
	signals := UsesSignals(p)
	atGate := x.Gate != 0 && (d.IP == x.Gate+2 || signals && d.IP > x.Gate+2 && d.IP <= x.GateEnd)
	inStubs := x.StubsEnd != 0 && d.IP >= x.Stubs+2 && d.IP <= x.StubsEnd
	name, _ := policy.Name(int(d.Nr))
	if name == "execve" || name == "execveat" {
		status, step := d.Args[0], d.Args[1]
		if atGate && (name == "execve" && (status == 0 || status > ^uint64(4095)) || name == "execveat" && step < 4096) {
			return unix.SECCOMP_RET_TRACE
		}
		return notify
	}
	handoff := slices.Contains(policy.HandoffCalls, name)
	var act policy.Action
	var mech policy.Mechanism
	var data uint32
	rule := false
	if r := p.Match(int(d.Nr), &d.Args); r != nil {
		act, mech, rule = r.Action, r.Mechanism, true
		if mech == policy.Patch && r.Base == policy.Trap {
			mech = policy.Trap
		}
		for i := range p.Rules {
			if r == &p.Rules[i] && (len(p.For(r.Nr)) > 1 || len(r.Conds) > 0) {
				data = uint32(i + 1)
			}
		}
		handoff = handoff || r.InSupervisor
	} else {
		act = p.Default
		refuses := act.Kind == policy.Deny || act.Kind == policy.Errno || act.Kind == policy.Kill
		if refuses && (handoff || slices.Contains(policy.ExemptCalls, name)) {
			act = policy.Action{}
		}
	}
	if signals && !atGate && (act.Kind == policy.Allow || act.Kind == policy.Stub || act.Kind == policy.Audit || act.Kind == policy.Passthrough) {
		if touchesSignals(name, &d.Args) || rule && IsSignalCall(int(d.Nr)) {
			return unix.SECCOMP_RET_TRAP | (vdsoshim.TrapData + data)
		}
		if name == "mmap" && d.Args[0] == x.Region && x.Region != 0 && trapsMmap(p) {
			return allow
		}
	}
	switch act.Kind {
	case policy.Deny:
		if handoff {
			return notify
		}
		return errno | uint32(unix.EPERM)
	case policy.Kill:
		return unix.SECCOMP_RET_KILL_PROCESS
	case policy.Audit:
		return unix.SECCOMP_RET_LOG
	case policy.Allow, policy.Stub:
		return allow
	}
	switch {
	case atGate:
		return allow
	case inStubs && passedThrough(p, int(d.Nr)):
		return allow
	case act.Kind == policy.Shim && mech == policy.VDSO:
		return allow
	case (mech == policy.Trap || mech == policy.SUD) && name == "seccomp":
		return notify
	case (mech == policy.Trap || mech == policy.SUD) && name == "mmap" && d.Args[0] == x.Region && x.Region != 0:
		return allow
	case mech == policy.Trap || mech == policy.SUD: // by SUD where it is not armed
		return unix.SECCOMP_RET_TRAP | (vdsoshim.TrapData + data)
	case mech == policy.Ptrace || mech == policy.PtraceAll:
		return unix.SECCOMP_RET_TRACE | data
	case mech == policy.Patch: // the supervisor learns of the site
		return notify
	case act.Kind == policy.Errno && !handoff:
		return errno | uint32(act.Errno)
	case act.Kind == policy.Return && act.Value <= 0 && act.Value >= -4095 && !handoff:
		return errno | uint32(-act.Value)
	}
	return notify
}

// touchesSignals reports whether a call could block SIGSYS or replace its handler, or
// installs a filter.
func touchesSignals(name string, args *[6]uint64) bool {
	switch name {
	case "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait", "rt_sigsuspend", "clone3", "ptrace", "wait4", "waitid":
		return true
	case "prctl":
		return uint32(args[0]) == 59 || uint32(args[0]) == 22
	case "seccomp":
		return uint32(args[0]) == 1 && args[5] != OwnFilter
	case "ppoll":
		return args[3] != 0
	case "epoll_pwait", "epoll_pwait2", "io_uring_enter":
		return args[4] != 0
	case "pselect6", "io_pgetevents":
		return args[5] != 0
	}
	return false
}

// trapsMmap reports whether any rule of mmap is served by a handler of SIGSYS.
func trapsMmap(p *policy.Plan) bool {
	nr, _ := policy.Number("mmap")
	return slices.ContainsFunc(p.For(nr), func(r policy.Rule) bool {
		return r.Reflects() && (r.Mechanism == policy.Trap || r.Mechanism == policy.SUD || r.Mechanism == policy.Patch && r.Base == policy.Trap)
	})
}

// passedThrough reports whether stubs make calls of number nr.
func passedThrough(p *policy.Plan, nr int) bool {
	rules := p.For(nr)
	if len(rules) == 0 || len(rules[0].Conds) > 0 || rules[0].Implicit {
		return false
	}
	name, _ := policy.Name(nr)
	switch rules[0].Action.Kind {
	case policy.Passthrough:
	case policy.Shim:
		if name == "getrandom" {
			return false
		}
	default:
		return false
	}
	m := rules[0].Mechanism
	if UsesSignals(p) && IsSignalCall(nr) {
		return false
	}
	return (m == policy.Auto || m == policy.Patch) && !slices.Contains(policy.NeverPatched, name)
}

// verdict packs a verdict as the model does.
func verdict(v Verdict) uint32 { return uint32(v.Action) | uint32(v.Data) }

// values are interesting to compare with c: where it changes its mind, and
// where a comparison that mixed up the halves would.
func values(c policy.Cond) []uint64 {
	v := c.Value
	out := []uint64{v, v - 1, v + 1, v ^ 1<<32, v ^ 1, v>>32 | v<<32, v + 1<<32, v - 1<<32, v & 0xffffffff, v &^ 0xffffffff}
	if c.Op == policy.MaskEqual {
		out = append(out, c.Mask, ^c.Mask, c.Value|^c.Mask, c.Value&^(c.Mask&-c.Mask), c.Mask&^c.Value)
	}
	return out
}

// calls returns calls of number nr that try every rule of p on it, from the
// gate, from the stubs and from elsewhere.
func calls(p *policy.Plan, x Exempt, nr int32, rnd *rand.Rand, random int) []Data {
	var sets [6][]uint64
	for i := range sets {
		sets[i] = []uint64{0, 1, ^uint64(0), rnd.Uint64()}
	}
	rules := p.For(int(nr))
	for _, r := range rules {
		for _, c := range r.Conds {
			sets[c.Arg] = append(sets[c.Arg], values(c)...)
		}
	}
	var args [][6]uint64
	args = append(args, [6]uint64{})
	for i := range sets { // each value once, the others satisfying some rule
		for _, v := range sets[i] {
			a := satisfying(rules, rnd)
			a[i] = v
			args = append(args, a)
		}
	}
	if len(rules) > 0 {
		for range random {
			var a [6]uint64
			for i := range a {
				a[i] = sets[i][rnd.IntN(len(sets[i]))]
			}
			args = append(args, a)
		}
	}
	ips := []uint64{x.GateEnd, x.GateEnd + 1, x.Gate + 2, x.Gate, x.Gate + 3, x.Gate + 2 + 1<<32, 0x7f0000001000}
	if x.StubsEnd != 0 {
		ips = append(ips, x.Stubs+1, x.Stubs+2, x.Stubs/2+x.StubsEnd/2, x.StubsEnd, x.StubsEnd+1, x.StubsEnd+1<<32)
	}
	var out []Data
	for _, a := range args {
		for _, ip := range ips {
			out = append(out, Data{Nr: nr, Arch: unix.AUDIT_ARCH_X86_64, IP: ip, Args: a})
		}
	}
	return out
}

// satisfying returns arguments that satisfy equalities and masks of one of the
// rules.
func satisfying(rules []policy.Rule, rnd *rand.Rand) (a [6]uint64) {
	if len(rules) == 0 {
		return a
	}
	for _, c := range rules[rnd.IntN(len(rules))].Conds {
		switch c.Op {
		case policy.Less, policy.NotEqual:
			a[c.Arg] = c.Value - 1
		case policy.Greater:
			a[c.Arg] = c.Value + 1
		default:
			a[c.Arg] = c.Value
		}
	}
	return a
}

// foreignCalls are calls that reach no rule.
func foreignCalls(x Exempt) []Data {
	var out []Data
	for _, nr := range []int32{0, 1, 11, 59, 228, 318, 322, 1023, -1, -1 << 31} {
		for _, arch := range []uint32{unix.AUDIT_ARCH_I386, unix.AUDIT_ARCH_AARCH64, 0, ^uint32(0)} {
			out = append(out, Data{Nr: nr, Arch: arch, IP: x.Gate + 2}, Data{Nr: nr, Arch: arch}, Data{Nr: nr, Arch: arch, IP: x.StubsEnd})
		}
		x32 := nr | 1<<30
		out = append(out, Data{Nr: x32, Arch: unix.AUDIT_ARCH_X86_64, IP: x.Gate + 2}, Data{Nr: x32, Arch: unix.AUDIT_ARCH_X86_64})
	}
	return out
}

// A source makes choices from random bits or from a fuzzer's bytes.
type source struct {
	rnd   *rand.Rand
	bytes []byte
}

func (s *source) intn(n int) int {
	if s.rnd != nil {
		return s.rnd.IntN(n)
	}
	if len(s.bytes) == 0 {
		return 0
	}
	b := s.bytes[0]
	s.bytes = s.bytes[1:]
	return int(b) % n
}

func (s *source) value() uint64 {
	switch s.intn(5) {
	case 0:
		return uint64(s.intn(4))
	case 1:
		return uint64(s.intn(256)) << (8 * s.intn(8))
	case 2:
		return 1 << s.intn(64)
	case 3:
		return uint64(1)<<s.intn(64) - 1
	}
	var v uint64
	for range 8 {
		v = v<<8 | uint64(s.intn(256))
	}
	return v
}

func (s *source) cond() policy.Cond {
	c := policy.Cond{Arg: s.intn(6), Op: policy.Op(s.intn(7)), Value: s.value()}
	if c.Op == policy.MaskEqual {
		c.Mask = s.value()
		if s.intn(4) > 0 {
			c.Value &= c.Mask
		}
	}
	return c
}

func (s *source) action(kinds ...policy.Kind) policy.Action {
	a := policy.Action{Kind: kinds[s.intn(len(kinds))]}
	switch a.Kind {
	case policy.Errno:
		a.Errno = 1 + s.intn(133)
	case policy.Return:
		a.Value = []int64{0, -1, -4095, -4096, 1, 1 << 40}[s.intn(6)]
	case policy.Go:
		a.Handler = "h"
	}
	return a
}

// plan makes a plan of up to n numbers.
func (s *source) plan(n int) *policy.Plan {
	p := &policy.Plan{ForeignAllow: s.intn(4) == 0}
	if s.intn(3) == 0 {
		p.Default = s.action(policy.Allow, policy.Deny, policy.Errno, policy.Kill, policy.Audit)
	}
	var numbers []int
	for range s.intn(n + 1) {
		switch s.intn(4) {
		case 0: // neighbours
			base := s.intn(256) + s.intn(256)
			for i := range 1 + s.intn(6) {
				numbers = append(numbers, base+i)
			}
		case 1:
			name := policy.HandoffCalls[s.intn(len(policy.HandoffCalls))]
			nr, _ := policy.Number(name)
			numbers = append(numbers, nr)
		default:
			numbers = append(numbers, s.intn(256)+s.intn(256))
		}
	}
	slices.Sort(numbers)
	for _, nr := range slices.Compact(numbers) {
		name, _ := policy.Name(nr)
		for range 1 + s.intn(3)*s.intn(2) {
			r := policy.Rule{Nr: nr, Name: name, Mechanism: policy.Mechanism(s.intn(4))}
			kinds := []policy.Kind{policy.Allow, policy.Shim, policy.Go, policy.Return, policy.Errno, policy.Stub, policy.Passthrough, policy.Passthrough, policy.Deny, policy.Audit, policy.Kill}
			if slices.Contains(policy.HandoffCalls, name) {
				kinds = kinds[:len(kinds)-1]
			}
			r.Action = s.action(kinds...)
			for range s.intn(4) {
				r.Conds = append(r.Conds, s.cond())
			}
			p.Rules = append(p.Rules, r)
		}
	}
	return p
}
