package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	netbpf "golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
)

// harmless calls take no arguments and change nothing, so conditions may test
// any arguments.
var harmless = []int32{
	unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID,
	unix.SYS_GETEGID, unix.SYS_GETTID, unix.SYS_GETPGRP,
}

// The 32-bit table has them by other numbers (asm/unistd_32.h).
var harmless32 = []int32{20, 64, 199, 201, 200, 202, 224, 65}

// filters returns the filters in the order that a victim installs them in: the
// main filter may notify the call that would install another.
func (p *Program) filters() [][]netbpf.RawInstruction {
	if p.Deny == nil {
		return [][]netbpf.RawInstruction{p.Main}
	}
	return [][]netbpf.RawInstruction{p.Deny, p.Main}
}

// data is what a filter sees of c.
func (c victimCall) data() Data {
	d := Data{Nr: c.Nr, Arch: unix.AUDIT_ARCH_X86_64, IP: c.Site.ip(), Args: c.Args}
	if c.Site == int80 {
		d.Arch = unix.AUDIT_ARCH_I386
	}
	return d
}

// outcome says what a call returns that meets v: what it returns natively, an
// error, or ENOSYS for want of a listener or a tracer.
func outcome(v Verdict, native int64) (result int64, killed bool) {
	switch v.Action {
	case Allow, Log:
		return native, false
	case Errno:
		return -int64(v.Errno), false
	case KillProcess:
		return 0, true
	}
	return -int64(unix.ENOSYS), false
}

// varies reports whether a call's native result differs between processes.
func varies(c victimCall) bool {
	switch c.Site {
	case int80:
		return c.Nr == 20 || c.Nr == 224
	}
	return c.Nr == unix.SYS_GETPID || c.Nr == unix.SYS_GETTID
}

// checkVictim makes calls under the filters of p on the real kernel and
// compares what they return with the simulation.
func checkVictim(t *testing.T, p *Program, calls []victimCall) {
	t.Helper()
	native, status := victimJob{Calls: calls}.run(t)
	if !status.Exited() || len(native) != len(calls) {
		t.Fatalf("without a filter: %d of %d results, %v", len(native), len(calls), status)
	}
	got, status := victimJob{Filters: p.filters(), Calls: calls}.run(t)
	for i, c := range calls {
		d := c.data()
		want, killed := outcome(p.Simulate(d), native[i])
		if killed {
			if len(got) != i || !status.Signaled() || status.Signal() != unix.SIGSYS {
				t.Fatalf("%+v should kill: %d results, %v", c, len(got), describe(status))
			}
			return
		}
		if i >= len(got) {
			t.Fatalf("%+v: no result, %v", c, describe(status))
		}
		if got[i] != want && !(varies(c) && want > 0 && got[i] > 0) {
			t.Fatalf("%+v: %d, want %d (%+v)\n%s", c, got[i], want, p.Simulate(d), listing(t, p))
		}
	}
	if !status.Exited() || status.ExitStatus() != 0 {
		t.Fatalf("ended with %v", describe(status))
	}
}

func describe(s syscall.WaitStatus) string {
	if s.Signaled() {
		return fmt.Sprintf("signal %v", s.Signal())
	}
	return fmt.Sprintf("status %d", s.ExitStatus())
}

func TestVictim(t *testing.T) {
	keep := func(b *policy.Builder) *policy.Builder { return b.Allow("write").Allow("exit_group").Allow("futex") }
	tests := []struct {
		name  string
		plan  func(*testing.T) *policy.Plan
		calls []victimCall
	}{
		{"notify", built(policy.New().Go("getppid", "h")), []victimCall{
			{Site: away, Nr: unix.SYS_GETPPID}, {Site: atGate, Nr: unix.SYS_GETPPID}, {Site: gateHigh, Nr: unix.SYS_GETPPID},
			{Site: away, Nr: unix.SYS_GETUID}, {Site: int80, Nr: 64},
		}},
		{"constants", built(policy.New().Return("getppid", 0).Errno("getuid", unix.EMLINK).Return("getgid", -4095).Errno("getegid", syscall.Errno(4095))),
			everySite(harmless...)},
		{"deny", built(policy.New().Deny("getppid").Errno("getuid", unix.EMLINK)), everySite(harmless...)},
		{"deny foreign", built(policy.New().Deny("getppid").Foreign(true)), everySite(harmless...)},
		{"conditions", built(policy.New().
			Allow("getppid", arg(0, policy.Equal, 1)).
			Deny("getppid", arg(1, policy.Greater, 1<<32)).
			Errno("getppid", unix.EMLINK, masked(2, 0xf0, 0x50)).
			Go("getppid", "h")), []victimCall{
			{Site: away, Nr: unix.SYS_GETPPID, Args: [6]uint64{1, 1 << 33}},
			{Site: away, Nr: unix.SYS_GETPPID, Args: [6]uint64{1 << 32, 1 << 33}},
			{Site: away, Nr: unix.SYS_GETPPID, Args: [6]uint64{0, 1 << 32, 0x5a}},
			{Site: atGate, Nr: unix.SYS_GETPPID, Args: [6]uint64{0, 1<<32 + 1, 0x5a}},
			{Site: atGate, Nr: unix.SYS_GETPPID, Args: [6]uint64{0, 1 << 32, 0x5a}},
			{Site: away, Nr: unix.SYS_GETPPID, Args: [6]uint64{0, 0, 0x4a}},
		}},
		{"exec", built(policy.New()), []victimCall{{Site: atGate, Nr: unix.SYS_EXECVE}, {Site: away, Nr: unix.SYS_EXECVE}, {Site: atGate, Nr: unix.SYS_EXECVEAT}}},
		{"audit", built(policy.New().Reflect("getppid", do(policy.Audit))), everySite(unix.SYS_GETPPID)},
		{"kill", built(policy.New().Reflect("getppid", do(policy.Kill))), []victimCall{{Site: away, Nr: unix.SYS_GETUID}, {Site: atGate, Nr: unix.SYS_GETPPID}, {Site: away, Nr: unix.SYS_GETUID}}},
		{"kill foreign", built(policy.New().Reflect("getppid", do(policy.Kill))), []victimCall{{Site: int80, Nr: 64}, {Site: away, Nr: unix.SYS_GETPPID | x32Bit}, {Site: away, Nr: unix.SYS_GETPPID}}},
		{"default deny", built(keep(policy.New().Default(do(policy.Deny)).Allow("getppid"))), everySite(harmless...)},
		{"default errno", built(keep(policy.New().Default(policy.Action{Kind: policy.Errno, Errno: int(unix.EMLINK)}).Allow("getppid"))), everySite(harmless...)},
		{"default kill", built(keep(policy.New().Default(do(policy.Kill)).Allow("getppid"))), []victimCall{{Site: away, Nr: unix.SYS_GETPPID}, {Site: atGate, Nr: unix.SYS_GETUID}}},
		{"default audit", built(keep(policy.New().Default(do(policy.Audit)).Allow("getppid"))), everySite(harmless...)},
		{"no such call", built(policy.New().Deny("getppid")), []victimCall{{Site: away, Nr: 1023}, {Site: away, Nr: -1}, {Site: away, Nr: x32Bit | 1023}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkVictim(t, mustCompile(t, tt.plan(t), testExempt), tt.calls)
		})
	}
}

func everySite(numbers ...int32) []victimCall {
	var out []victimCall
	for _, nr := range numbers {
		for _, s := range []site{away, atGate, gateHigh} {
			out = append(out, victimCall{Site: s, Nr: nr}, victimCall{Site: s, Nr: nr | x32Bit})
		}
		if i := slices.Index(harmless, nr); i >= 0 {
			out = append(out, victimCall{Site: int80, Nr: harmless32[i]})
		}
	}
	return out
}

// TestVictimRandom compares the simulation with the kernel under random plans.
func TestVictimRandom(t *testing.T) {
	n := 40
	if testing.Short() {
		n = 5
	}
	for seed := range n {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(uint64(seed), 99))
			p := harmlessPlan(&source{rnd: rnd})
			prog := mustCompile(t, p, testExempt)
			var list []victimCall
			for i, nr := range harmless {
				for _, d := range calls(p, testExempt, nr, rnd, 5) {
					list = append(list, victimCall{Site: site(rnd.IntN(3)), Nr: nr, Args: d.Args})
				}
				list = append(list, victimCall{Site: int80, Nr: harmless32[i]})
			}
			checkVictim(t, prog, list)
		})
	}
}

// harmlessPlan makes rules for harmless calls only.
func harmlessPlan(s *source) *policy.Plan {
	p := &policy.Plan{ForeignAllow: s.intn(2) == 0}
	kinds := []policy.Kind{policy.Allow, policy.Shim, policy.Go, policy.Return, policy.Errno, policy.Deny, policy.Audit}
	if s.intn(5) == 0 {
		kinds = append(kinds, policy.Kill)
	}
	for _, nr := range harmless {
		for range s.intn(4) {
			r := policy.Rule{Nr: int(nr), Action: s.action(kinds...)}
			for range s.intn(3) {
				r.Conds = append(r.Conds, s.cond())
			}
			p.Rules = append(p.Rules, r)
		}
	}
	slices.SortStableFunc(p.Rules, func(a, b policy.Rule) int { return a.Nr - b.Nr })
	return p
}

// TestKernelCache compares the kernel's own list of constant answers with
// ours, where it was built to give it.
func TestKernelCache(t *testing.T) {
	if _, err := os.Stat("/proc/self/seccomp_cache"); errors.Is(err, os.ErrNotExist) {
		t.Skip("this kernel was built without CONFIG_SECCOMP_CACHE_DEBUG")
	}
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	for _, plan := range []func(*testing.T) *policy.Plan{loaded(), built(policy.New().Deny("ptrace").Foreign(true).Shim("getrandom"))} {
		prog := mustCompile(t, plan(t), testExempt)
		out, status := victimJob{Filters: prog.filters(), Cache: true}.start(t)
		if !status.Exited() || status.ExitStatus() != 0 {
			t.Fatal(describe(status))
		}
		lines := strings.Fields(string(out)) // x86_64 0 ALLOW
		for ; len(lines) >= 3; lines = lines[3:] {
			var d Data
			fmt.Sscan(lines[1], &d.Nr)
			switch lines[0] {
			case "x86_64":
				d.Arch = unix.AUDIT_ARCH_X86_64
			case "ia32":
				d.Arch = unix.AUDIT_ARCH_I386
			default:
				t.Fatalf("unknown architecture %s", lines[0])
			}
			if lines[0] == "x86_64" && (d.Nr == unix.SYS_URETPROBE || d.Nr == 336) {
				continue // seccomp_uprobe_exception: never filtered
			}
			if got, want := lines[2] == "ALLOW", prog.Simulate(d).Cacheable; got != want {
				t.Errorf("%s %d: the kernel says %s, we say %v", lines[0], d.Nr, lines[2], want)
			}
		}
	}
}

// BenchmarkTax measures what a call that is left alone pays.
func BenchmarkTax(b *testing.B) {
	def, err := policy.Load()
	if err != nil {
		b.Fatal(err)
	}
	deny, err := policy.New().Deny("ptrace").Shim("getrandom").Plan()
	if err != nil {
		b.Fatal(err)
	}
	eager := []netbpf.RawInstruction{{Op: opLoad, K: offIP}, {Op: opEq, K: testGate + 2, Jt: 0, Jf: 0}, {Op: opRet, K: unix.SECCOMP_RET_ALLOW}}
	smallest := []netbpf.RawInstruction{{Op: opRet, K: unix.SECCOMP_RET_ALLOW}}
	for _, bm := range []struct {
		name    string
		filters [][]netbpf.RawInstruction
	}{
		{"none", nil},
		{"smallest", [][]netbpf.RawInstruction{smallest}},
		{"default", mustCompile(b, def, testExempt).filters()},
		{"with_deny", mustCompile(b, deny, testExempt).filters()},
		{"pointer_first", [][]netbpf.RawInstruction{eager}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			job := victimJob{Filters: bm.filters, Loops: max(b.N, 2), Calls: []victimCall{{Site: away, Nr: unix.SYS_GETPPID}}}
			out, status := job.start(b)
			if !status.Exited() || len(out) != 8 {
				b.Fatal(describe(status))
			}
			b.ReportMetric(float64(binary.NativeEndian.Uint64(out))/float64(job.Loops), "ns/call")
			b.ReportMetric(0, "ns/op")
		})
	}
}
