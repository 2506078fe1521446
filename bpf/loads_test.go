package bpf

import (
	"math/rand/v2"
	"testing"

	netbpf "golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
)

// explore follows every path that a call with this number and architecture may
// take, whatever its other words are, and returns the offsets loaded and the
// values returned.
func explore(prog []netbpf.RawInstruction, nr, arch uint32) (loads, returns map[uint32]bool) {
	type state struct {
		pc    int
		acc   uint32
		known bool
	}
	loads, returns = map[uint32]bool{}, map[uint32]bool{}
	seen := map[state]bool{}
	work := []state{{}}
	for len(work) > 0 {
		s := work[len(work)-1]
		work = work[:len(work)-1]
		if seen[s] {
			continue
		}
		seen[s] = true
		in := prog[s.pc]
		switch in.Op {
		case opLoad:
			loads[in.K] = true
			switch in.K {
			case offNr:
				work = append(work, state{s.pc + 1, nr, true})
			case offArch:
				work = append(work, state{s.pc + 1, arch, true})
			default:
				work = append(work, state{s.pc + 1, 0, false})
			}
		case opJump:
			s.pc += 1 + int(in.K)
			work = append(work, s)
		case opRet:
			returns[in.K] = true
		default:
			yes, no := s, s
			yes.pc += 1 + int(in.Jt)
			no.pc += 1 + int(in.Jf)
			if !s.known || holds(in, s.acc) {
				work = append(work, yes)
			}
			if !s.known || !holds(in, s.acc) {
				work = append(work, no)
			}
		}
	}
	return loads, returns
}

// leftAlone reports whether the plan lets every call with this number and
// architecture through.
func leftAlone(p *policy.Plan, d Data) bool {
	if d.Arch != unix.AUDIT_ARCH_X86_64 || uint32(d.Nr) >= x32Bit {
		return !p.RefusesForeign()
	}
	if isExec(int(d.Nr)) {
		return false
	}
	if UsesSignals(p) && findSignalCall(int(d.Nr)) != nil {
		return false
	}
	rules := p.For(int(d.Nr))
	leaves := func(act policy.Action, m policy.Mechanism) bool {
		switch act.Kind {
		case policy.Allow, policy.Stub:
			return true
		case policy.Shim:
			return m == policy.VDSO
		}
		return false
	}
	for i := range rules {
		if !leaves(rules[i].Action, rules[i].Mechanism) {
			return false
		}
		if len(rules[i].Conds) == 0 {
			return true
		}
	}
	if isHandoff(int(d.Nr)) || isExempt(int(d.Nr)) {
		return p.Default.Kind != policy.Audit
	}
	return p.Default.Kind == policy.Allow
}

func isExempt(nr int) bool {
	switch nr {
	case unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_RT_SIGRETURN, unix.SYS_RESTART_SYSCALL:
		return true
	}
	return false
}

// TestLoads proves for every number and for foreign architectures that a call
// which is left alone makes a filter load its number and architecture only,
// and that the kernel will know it for constant. Without that each such call
// would run both filters.
func TestLoads(t *testing.T) {
	check := func(t *testing.T, p *policy.Plan) {
		t.Helper()
		prog, err := Compile(p, testExempt)
		if err != nil {
			t.Fatal(err)
		}
		filters := [][]netbpf.RawInstruction{prog.Main}
		if prog.Deny != nil {
			filters = append(filters, prog.Deny)
		}
		one := func(d Data) {
			alone := leftAlone(p, d)
			constant := true
			for _, f := range filters {
				loads, returns := explore(f, uint32(d.Nr), d.Arch)
				onlyAllow := len(returns) == 1 && returns[unix.SECCOMP_RET_ALLOW]
				delete(loads, offNr)
				delete(loads, offArch)
				if alone && (len(loads) > 0 || !onlyAllow) {
					t.Errorf("%d on %#x: loads %v, returns %v", d.Nr, d.Arch, loads, returns)
				}
				foreign := d.Arch != unix.AUDIT_ARCH_X86_64 || uint32(d.Nr) >= x32Bit
				if foreign && len(loads) > 0 {
					t.Errorf("%d on %#x: loads %v of a foreign call", d.Nr, d.Arch, loads)
				}
				constant = constant && constantAllow(f, uint32(d.Nr), d.Arch)
			}
			if constant != alone {
				t.Errorf("%d on %#x: constant %v, left alone %v", d.Nr, d.Arch, constant, alone)
			}
			native := d.Arch == unix.AUDIT_ARCH_X86_64 || d.Arch == unix.AUDIT_ARCH_I386
			if v := prog.Simulate(d); v.Cacheable != (alone && native && uint32(d.Nr) < x32Bit) {
				t.Errorf("%d on %#x: cacheable %v", d.Nr, d.Arch, v.Cacheable)
			}
		}
		for nr := range int32(1024) {
			one(Data{Nr: nr, Arch: unix.AUDIT_ARCH_X86_64})
			one(Data{Nr: nr, Arch: unix.AUDIT_ARCH_I386})
			one(Data{Nr: nr, Arch: unix.AUDIT_ARCH_AARCH64})
			one(Data{Nr: nr | x32Bit, Arch: unix.AUDIT_ARCH_X86_64})
		}
	}
	for _, tt := range plans {
		t.Run(tt.name, func(t *testing.T) { check(t, tt.plan(t)) })
	}
	t.Run("random", func(t *testing.T) {
		for seed := range uint64(20) {
			s := source{rnd: rand.New(rand.NewPCG(seed, 11))}
			p := s.plan(20)
			for i := range p.Rules { // conditions that never or always hold are another test's
				for j := range p.Rules[i].Conds {
					p.Rules[i].Conds[j] = arg(j, policy.Equal, 7)
				}
			}
			check(t, p)
		}
	})
}
