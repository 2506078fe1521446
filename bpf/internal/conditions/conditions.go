// Package conditions lets elastic/go-seccomp-bpf assemble conditions on
// arguments. The generator of package bpf's templates and the test that compares
// what is filled in with what is assembled import it. Nothing that runs does: the
// tables of the library's arch package are built whenever a program starts that
// contains it (0.2 ms).
package conditions

import (
	"fmt"
	"math"

	seccomp "github.com/elastic/go-seccomp-bpf"
	netbpf "golang.org/x/net/bpf"

	"github.com/sysreflect/sysreflect/policy"
)

// maxSkip is the farthest that a conditional jump reaches.
const maxSkip = 255

// Assemble returns code for conditions that package bpf has simplified. Where all
// hold, it runs to its end; where one does not, it skips one instruction after the
// end. It must be short: seccomp.Program resolves long jumps wrongly.
func Assemble(conds []policy.Cond) ([]netbpf.RawInstruction, error) {
	return assemble(func(p *seccomp.Program, fail seccomp.Label) {
		for _, c := range conds {
			testOne(p, c, fail)
		}
	})
}

// assemble returns the code that emit emits.
func assemble(emit func(p *seccomp.Program, fail seccomp.Label)) ([]netbpf.RawInstruction, error) {
	p := seccomp.NewProgram()
	fail := p.NewLabel()
	emit(&p, fail)
	p.Ret(seccomp.ActionKillProcess) // stands for the instruction after the end
	p.SetLabel(fail)
	ins, err := p.Assemble()
	if err != nil {
		return nil, fmt.Errorf("assembling conditions: %w", err)
	}
	if len(ins) > maxSkip {
		return nil, fmt.Errorf("conditions take %d instructions at once", len(ins))
	}
	return netbpf.Assemble(ins[:len(ins)-1])
}

// testOne runs on where c holds and jumps to fail where it does not. The
// halves of an argument are compared one after the other: classic BPF has
// 32-bit registers.
func testOne(p *seccomp.Program, c policy.Cond, fail seccomp.Label) {
	arg := uint32(c.Arg)
	hi, lo := uint32(c.Value>>32), uint32(c.Value)
	switch c.Op {
	case policy.Equal:
		p.LdHi(arg)
		p.JmpIfTrue(netbpf.JumpNotEqual, hi, fail)
		p.LdLo(arg)
		p.JmpIfTrue(netbpf.JumpNotEqual, lo, fail)
	case policy.NotEqual:
		pass := p.NewLabel()
		p.LdHi(arg)
		p.JmpIfTrue(netbpf.JumpNotEqual, hi, pass)
		p.LdLo(arg)
		p.JmpIfTrue(netbpf.JumpEqual, lo, fail)
		p.SetLabel(pass)
	case policy.Less:
		testOrder(p, c, netbpf.JumpGreaterThan, netbpf.JumpGreaterOrEqual, math.MaxUint32, fail)
	case policy.GreaterEqual:
		testOrder(p, c, netbpf.JumpLessThan, netbpf.JumpLessThan, 0, fail)
	case policy.MaskEqual:
		if mask := uint32(c.Mask >> 32); mask != 0 {
			p.LdHi(arg)
			testBits(p, mask, hi, fail)
		}
		if mask := uint32(c.Mask); mask != 0 {
			p.LdLo(arg)
			testBits(p, mask, lo, fail)
		}
	}
}

// testOrder fails where the high half satisfies failHi; where the high halves
// are equal it fails if the low half satisfies failLo. A high half of last
// can't satisfy failHi.
func testOrder(p *seccomp.Program, c policy.Cond, failHi, failLo netbpf.JumpTest, last uint32, fail seccomp.Label) {
	hi, lo := uint32(c.Value>>32), uint32(c.Value)
	p.LdHi(uint32(c.Arg))
	if lo == 0 {
		p.JmpIfTrue(failLo, hi, fail) // the low half does not matter
		return
	}
	pass := p.NewLabel()
	switch hi {
	case last:
		p.JmpIfTrue(netbpf.JumpNotEqual, hi, pass)
	case ^last:
		p.JmpIfTrue(netbpf.JumpNotEqual, hi, fail)
	default:
		p.JmpIfTrue(failHi, hi, fail)
		p.JmpIfTrue(netbpf.JumpNotEqual, hi, pass)
	}
	p.LdLo(uint32(c.Arg))
	p.JmpIfTrue(failLo, lo, fail)
	p.SetLabel(pass)
}

// testBits fails unless the loaded half, masked, is value. The assembler has
// no AND, so bits that must be clear are tested together and bits that must be
// set one by one.
func testBits(p *seccomp.Program, mask, value uint32, fail seccomp.Label) {
	if mask == math.MaxUint32 {
		p.JmpIfTrue(netbpf.JumpNotEqual, value, fail)
		return
	}
	if clear := mask &^ value; clear != 0 {
		p.JmpIfTrue(netbpf.JumpBitsSet, clear, fail)
	}
	for v := value; v != 0; v &= v - 1 {
		p.JmpIfTrue(netbpf.JumpBitsNotSet, v&-v, fail)
	}
}
