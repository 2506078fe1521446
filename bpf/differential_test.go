package bpf

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	netbpf "golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
)

// compare checks the filters of p against the model, for calls of every number
// that rules name, for some that none does, and for foreign ones.
func compare(t *testing.T, p *policy.Plan, x Exempt, rnd *rand.Rand) *Program {
	t.Helper()
	prog, err := Compile(p, x)
	if errors.Is(err, ErrTooLong) {
		return nil
	}
	if err != nil {
		t.Fatalf("%v\n%+v", err, p)
	}
	checkLoadable(t, prog)
	numbers := map[int32]bool{0: true, 59: true, 322: true, 60: true, 231: true, 15: true, 219: true, 1023: true}
	for _, r := range p.Rules {
		numbers[int32(r.Nr)] = true
		numbers[int32(r.Nr)+1] = true
		if r.Nr > 0 {
			numbers[int32(r.Nr)-1] = true
		}
	}
	for nr := range numbers {
		for _, d := range calls(p, x, nr, rnd, 20) {
			compareOne(t, p, prog, d)
		}
	}
	for _, d := range foreignCalls(x) {
		compareOne(t, p, prog, d)
	}
	return prog
}

func compareOne(t *testing.T, p *policy.Plan, prog *Program, d Data) {
	t.Helper()
	got, want := verdict(prog.Simulate(d)), model(p, prog.Exempt, &d)
	if got != want {
		t.Fatalf("%+v\nis answered %#x, wanted %#x, under %+v", d, got, want, p)
	}
}

// checkLoadable does what the kernel does before it loads a filter
// (seccomp_check_filter, bpf_check_classic).
func checkLoadable(t *testing.T, prog *Program) {
	t.Helper()
	for _, f := range [][]netbpf.RawInstruction{prog.Main, prog.Deny} {
		if len(f) > MaxInstructions {
			t.Fatalf("%d instructions", len(f))
		}
		for pc, in := range f {
			switch in.Op {
			case opLoad:
				if in.K >= dataLen || in.K%4 != 0 {
					t.Fatalf("%d: load of %d", pc, in.K)
				}
			case opJump:
				if pc+1+int(in.K) >= len(f) {
					t.Fatalf("%d: jump out of the program", pc)
				}
			case opEq, opGe, opGt, opSet:
				if pc+1+int(max(in.Jt, in.Jf)) >= len(f) {
					t.Fatalf("%d: jump out of the program", pc)
				}
			case opRet:
			default:
				t.Fatalf("%d: opcode %#x", pc, in.Op)
			}
		}
		if len(f) > 0 && f[len(f)-1].Op != opRet {
			t.Fatal("does not end in a return")
		}
	}
}

func TestModel(t *testing.T) {
	for _, tt := range plans {
		t.Run(tt.name, func(t *testing.T) {
			for _, gate := range []uint64{testGate, 0, 1<<32 - 2, 1<<47 - 4096} {
				compare(t, tt.plan(t), around(gate), rand.New(rand.NewPCG(1, 2)))
			}
		})
	}
}

func TestModelRandom(t *testing.T) {
	n := 150
	if testing.Short() {
		n = 30
	}
	longest := 0
	for seed := range n {
		rnd := rand.New(rand.NewPCG(uint64(seed), 7))
		s := source{rnd: rnd}
		prog := compare(t, s.plan(1+seed%60), testExempt, rnd)
		if prog != nil {
			longest = max(longest, len(prog.Main), len(prog.Deny))
		}
	}
	if longest < 2*maxSkip && !testing.Short() {
		t.Errorf("longest filter has %d instructions: long jumps are not tried", longest)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x01\x00\x01\x09\x02\x10\x20\x30\x40\x50\x60"))
	for seed := range 8 {
		rnd := rand.New(rand.NewPCG(uint64(seed), 3))
		b := make([]byte, 400)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := source{bytes: b}
		compare(t, s.plan(8), testExempt, rand.New(rand.NewPCG(1, 1)))
	})
}

// TestInterpreter checks our interpreter against the one of x/net.
func TestInterpreter(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 60 {
		s := source{rnd: rnd}
		p := s.plan(12)
		prog, err := Compile(p, testExempt)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range [][]netbpf.RawInstruction{prog.Main, prog.Deny} {
			if f == nil {
				continue
			}
			ins, ok := netbpf.Disassemble(f)
			if !ok {
				t.Fatal("not decoded")
			}
			vm, err := netbpf.NewVM(ins)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range p.Rules {
				for _, d := range calls(p, testExempt, int32(r.Nr), rnd, 10) {
					want, err := vm.Run(packet(&d))
					if err != nil {
						t.Fatal(err)
					}
					if got, _ := run(f, &d); got != uint32(want) {
						t.Fatalf("%+v: %#x, x/net says %#x", d, got, want)
					}
				}
			}
		}
	}
}

// packet lays d out for x/net's interpreter, which loads words big-endian:
// each 32-bit word stands big-endian at its native offset, low word first.
func packet(d *Data) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(d.Nr))
	b = binary.BigEndian.AppendUint32(b, d.Arch)
	for _, v := range append([]uint64{d.IP}, d.Args[:]...) {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
		b = binary.BigEndian.AppendUint32(b, uint32(v>>32))
	}
	return b
}

// TestPrecedence checks that the kernel's order of actions is ours.
func TestPrecedence(t *testing.T) {
	order := []Action{KillProcess, KillThread, Trap, Errno, UserNotif, Trace, Log, Allow}
	for i, a := range order {
		for j, b := range order {
			if a.overrides(b) != (i < j) {
				t.Errorf("%v overrides %v: %v", a, b, a.overrides(b))
			}
			p := &Program{
				Main: []netbpf.RawInstruction{{Op: opRet, K: uint32(a) | 1}},
				Deny: []netbpf.RawInstruction{{Op: opRet, K: uint32(b) | 2}},
			}
			v := p.Simulate(Data{Arch: unix.AUDIT_ARCH_X86_64})
			want, data, filter := a, uint16(1), "main"
			if j < i {
				want, data, filter = b, 2, "deny"
			}
			if v.Action != want || v.Data != data || v.Filter != filter {
				t.Errorf("main %v, deny %v: %v %d from %s", a, b, v.Action, v.Data, v.Filter)
			}
		}
	}
}
