//go:build libseccomp && cgo

package bpf

import (
	"errors"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
)

// compareTwin checks libseccomp's filters against ours and the model, and
// reports whether libseccomp could compile the plan.
func compareTwin(t *testing.T, p *policy.Plan, x Exempt, rnd *rand.Rand) bool {
	t.Helper()
	ours := mustCompile(t, p, x)
	twin, err := CompileLibseccomp(p, x)
	if errors.Is(err, ErrTooLong) {
		return false
	}
	if err != nil {
		t.Fatalf("%v\n%+v", err, p)
	}
	var list []Data
	for nr := range int32(601) {
		list = append(list, calls(p, x, nr, rnd, 20)...)
	}
	for _, d := range foreignCalls(x) {
		if d.Nr == -1 && d.Arch == unix.AUDIT_ARCH_X86_64 {
			continue // libseccomp applies the default to it
		}
		list = append(list, d)
	}
	for i := range list {
		d := &list[i]
		a, b, m := ours.Simulate(*d), twin.Simulate(*d), model(p, x, d)
		if verdict(a) != m || verdict(b) != m {
			t.Fatalf("%+v\nours %v %d, libseccomp's %v %d, the model's %#x, under %+v", *d, a.Action, a.Data, b.Action, b.Data, m, p)
		}
		if a.Cacheable != b.Cacheable {
			t.Fatalf("%+v: cacheable %v, under libseccomp %v", *d, a.Cacheable, b.Cacheable)
		}
	}
	return true
}

func TestLibseccomp(t *testing.T) {
	for _, tt := range plans {
		t.Run(tt.name, func(t *testing.T) {
			for _, gate := range []uint64{0, testGate} {
				if !compareTwin(t, tt.plan(t), around(gate), rand.New(rand.NewPCG(1, 2))) && !tt.large {
					t.Error("libseccomp can't compile it")
				}
			}
		})
	}
}

func TestLibseccompRandom(t *testing.T) {
	n, can := 60, 0
	if testing.Short() {
		n = 20
	}
	for seed := range n {
		rnd := rand.New(rand.NewPCG(uint64(seed), 21))
		s := source{rnd: rnd}
		if compareTwin(t, s.plan(1+seed%20), testExempt, rnd) {
			can++
		}
	}
	t.Logf("libseccomp can compile %d of %d", can, n)
	if can < n*9/10 {
		t.Errorf("libseccomp can compile %d of %d only", can, n)
	}
}

// TestLibseccompVictim has the kernel load and run what libseccomp made.
func TestLibseccompVictim(t *testing.T) {
	p := built(policy.New().
		Allow("getppid", arg(0, policy.Equal, 1)).
		Deny("getppid", arg(1, policy.Greater, 1<<32)).
		Go("getppid", "h").Errno("getuid", unix.EMLINK))(t)
	prog, err := CompileLibseccomp(p, testExempt)
	if err != nil {
		t.Fatal(err)
	}
	list := everySite(harmless...)
	for _, d := range calls(p, testExempt, unix.SYS_GETPPID, rand.New(rand.NewPCG(1, 2)), 20) {
		list = append(list, victimCall{Site: site(len(list) % 3), Nr: d.Nr, Args: d.Args})
	}
	checkVictim(t, prog, list)
}

func BenchmarkCompileLibseccomp(b *testing.B) {
	p, err := policy.Load()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := CompileLibseccomp(p, testExempt); err != nil {
			b.Fatal(err)
		}
	}
}
