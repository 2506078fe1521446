package bpf

import (
	"errors"
	"slices"
	"strings"
	"testing"

	seccomp "github.com/elastic/go-seccomp-bpf"
	netbpf "golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
)

func loaded(sources ...string) func(*testing.T) *policy.Plan {
	return func(t *testing.T) *policy.Plan {
		t.Helper()
		p, err := policy.Load(sources...)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}

func mustCompile(t testing.TB, p *policy.Plan, x Exempt) *Program {
	t.Helper()
	prog, err := Compile(p, x)
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

// TestShort bounds the default filter: calls that it leaves alone pay at most
// eight instructions where the kernel has no cache, reflected ones no more
// than four on top to find the gate, those that stubs make a fifth, and the end of a handoff five more.
func TestShort(t *testing.T) {
	prog := mustCompile(t, loaded()(t), testExempt)
	for nr := range int32(1024) {
		d := Data{Nr: nr, Arch: unix.AUDIT_ARCH_X86_64, IP: testGate + 2}
		v := prog.Simulate(d)
		if limit := 8; v.Main.Constant && v.Steps > limit {
			t.Errorf("%d: %d instructions, want at most %d", nr, v.Steps, limit)
		}
		limit := 12
		if passedThrough(loaded()(t), int(nr)) {
			limit = 13
		}
		if isExec(int(nr)) {
			limit = 17
		}
		if v.Steps > limit {
			t.Errorf("%d at the gate: %d instructions", nr, v.Steps)
		}
	}
	for _, d := range foreignCalls(testExempt) {
		if v := prog.Simulate(d); v.Steps > 8 {
			t.Errorf("%+v: %d instructions", d, v.Steps)
		}
	}
}

// TestLarge bounds the path through large filters.
func TestLarge(t *testing.T) {
	for _, tt := range plans {
		if !tt.large {
			continue
		}
		prog := mustCompile(t, tt.plan(t), testExempt)
		worst := 0
		for nr := range int32(1024) {
			v := prog.Simulate(Data{Nr: nr, Arch: unix.AUDIT_ARCH_X86_64})
			if v.Main.Constant {
				worst = max(worst, len(v.Main.Path))
			}
		}
		t.Logf("%s: main %d, deny %d instructions, %d for a call left alone", tt.name, len(prog.Main), len(prog.Deny), worst)
		if worst > 16 {
			t.Errorf("%s: a call left alone takes %d instructions", tt.name, worst)
		}
	}
}

func TestRefusedPlans(t *testing.T) {
	rule := func(nr int, a policy.Action, c ...policy.Cond) *policy.Plan {
		return &policy.Plan{Rules: []policy.Rule{{Nr: nr, Name: "it", Action: a, Conds: c}}}
	}
	tests := []struct {
		name string
		plan *policy.Plan
		want string
	}{
		{"errno 0", rule(1, policy.Action{Kind: policy.Errno}), "errno 0 is not between 1 and 4095"},
		{"errno 4096", rule(1, policy.Action{Kind: policy.Errno, Errno: 4096}), "errno 4096 is not between 1 and 4095"},
		{"kill handoff", rule(unix.SYS_MMAP, do(policy.Kill)), "the handoff needs this call"},
		{"kill exec", rule(unix.SYS_EXECVE, do(policy.Kill)), "the handoff needs this call"},
		{"number", rule(-1, do(policy.Go)), "-1 is not a system call number"},
		{"x32", rule(x32Bit, do(policy.Go)), "is not a system call number"},
		{"argument", rule(1, do(policy.Go), arg(6, policy.Equal, 0)), "arguments 0 to 5, not 6"},
		{"comparison", rule(1, do(policy.Go), arg(0, 99, 0)), "unknown comparison 99"},
		{"action", rule(1, do(99)), "unknown action 99"},
		{"default", &policy.Plan{Default: do(policy.Go)}, "default action"},
		{"order", &policy.Plan{Rules: []policy.Rule{{Nr: 2}, {Nr: 1}}}, "1 stands after 2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Compile(tt.plan, testExempt)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestTooLong(t *testing.T) {
	for _, n := range []int{600, 2000} {
		_, err := Compile(manyRules(n), testExempt)
		if errors.Is(err, ErrTooLong) != (n > 1000) {
			t.Errorf("%d rules: %v", n, err)
		}
		if err != nil {
			t.Log(err)
		}
	}
}

func TestHandoffCalls(t *testing.T) {
	for nr := range 1024 {
		name, _ := policy.Name(nr)
		if got, want := isHandoff(nr), slices.Contains(policy.HandoffCalls, name); got != want {
			t.Errorf("isHandoff(%d %s) = %v", nr, name, got)
		}
		want := isHandoff(nr) || slices.Contains(policy.ExemptCalls, name)
		if got := slices.Contains(exemptNumbers[:], nr); got != want {
			t.Errorf("%s exempt: %v", name, got)
		}
	}
	if !slices.IsSorted(exemptNumbers[:]) || !slices.IsSorted(execNumbers[:]) {
		t.Error("fixed numbers are not ascending")
	}
}

// TestAssemblerLongJump shows why chunks are kept short: the jump to b lands
// elsewhere, because seccomp.Program neither counts from the jump nor moves the
// targets of jumps that it resolved before. When this fails, the assembler has
// been mended and maxChunk may go.
func TestAssemblerLongJump(t *testing.T) {
	p := seccomp.NewProgram()
	a, b := p.NewLabel(), p.NewLabel()
	fill := func() {
		for i := range uint32(60) {
			next := p.NewLabel()
			p.LdLo(1)
			p.JmpIfTrue(netbpf.JumpNotEqual, 100+i, next)
			p.Ret(seccomp.ActionTrap)
			p.SetLabel(next)
		}
		p.Ret(seccomp.ActionAllow)
	}
	p.LdLo(0)
	p.JmpIfTrue(netbpf.JumpEqual, 1, a)
	p.JmpIfTrue(netbpf.JumpEqual, 2, b)
	fill()
	p.SetLabel(a)
	p.LdLo(2)
	p.Ret(seccomp.ActionErrno)
	fill()
	p.SetLabel(b)
	p.LdLo(2)
	p.Ret(seccomp.ActionLog)
	ins, err := p.Assemble()
	if err != nil {
		t.Fatal(err)
	}
	code, err := netbpf.Assemble(ins)
	if err != nil {
		t.Fatal(err)
	}
	ret, _ := run(code, &Data{Args: [6]uint64{2}})
	if Action(ret) == Log {
		t.Error("a long jump was resolved rightly")
	}
}

func BenchmarkCompile(b *testing.B) {
	def, err := policy.Load()
	if err != nil {
		b.Fatal(err)
	}
	for _, bm := range []struct {
		name string
		plan *policy.Plan
	}{
		{"default", def},
		{"every_call", everyCall(do(policy.Go), 1)},
		{"every_other_call", everyCall(do(policy.Deny), 2)},
		{"every_third_errno", manyErrnos()},
		{"many_rules", manyRules(300)},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Compile(bm.plan, testExempt); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
