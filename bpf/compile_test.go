package bpf

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
)

const testGate = 0x123456

// defaultPlan reflects what the embedded default policy does.
func defaultPlan() *policy.Plan {
	p := &policy.Plan{}
	for _, nr := range []int{unix.SYS_GETTIMEOFDAY, unix.SYS_TIME, unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_GETCPU, unix.SYS_GETRANDOM} {
		name, _ := policy.Name(nr)
		p.Rules = append(p.Rules, policy.Rule{Nr: nr, Name: name, Action: policy.Action{Kind: policy.Shim}})
	}
	return p
}

func TestDefault(t *testing.T) {
	p, err := Compile(defaultPlan(), testGate)
	if err != nil {
		t.Fatal(err)
	}
	for i, in := range p.Main {
		t.Log(i, in.Disassemble())
	}
	for _, d := range []Data{{Nr: 0}, {Nr: 59}, {Nr: 59, IP: testGate + 2}, {Nr: 318}, {Nr: 318, IP: testGate + 2}, {Nr: 228}, {Nr: 500}, {Nr: -1}, {Nr: x32Bit}} {
		d.Arch = unix.AUDIT_ARCH_X86_64
		v := p.Simulate(d)
		t.Logf("%d %#x: %v %d %v", d.Nr, d.IP, v.Action, v.Steps, v.Cacheable)
	}
}

func BenchmarkCompileDefault(b *testing.B) {
	plan := defaultPlan()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(plan, testGate); err != nil {
			b.Fatal(err)
		}
	}
}
