package bpf

import (
	"fmt"
	"math"
	"math/bits"
	"slices"

	seccomp "github.com/elastic/go-seccomp-bpf"
	netbpf "golang.org/x/net/bpf"

	"github.com/sysreflect/sysreflect/policy"
)

// simplify drops the conditions that always hold, states the others by one of
// Equal, NotEqual, Less, GreaterEqual and MaskEqual, and reports whether they
// can hold at all.
func simplify(in []policy.Cond) (out []policy.Cond, possible bool, err error) {
	for _, c := range in {
		if c.Arg < 0 || c.Arg > 5 {
			return nil, false, fmt.Errorf("a system call has arguments 0 to 5, not %d", c.Arg)
		}
		var always, never bool
		switch c.Op {
		case policy.Equal, policy.NotEqual:
		case policy.Less:
			never = c.Value == 0
		case policy.LessEqual:
			always = c.Value == math.MaxUint64
			c.Op, c.Value = policy.Less, c.Value+1
		case policy.Greater:
			never = c.Value == math.MaxUint64
			c.Op, c.Value = policy.GreaterEqual, c.Value+1
		case policy.GreaterEqual:
			always = c.Value == 0
		case policy.MaskEqual:
			never = c.Value&^c.Mask != 0
			always = c.Mask == 0 && c.Value == 0
		default:
			return nil, false, fmt.Errorf("unknown comparison %d", c.Op)
		}
		if never {
			return nil, false, nil
		}
		if !always {
			out = append(out, c)
		}
	}
	return out, true, nil
}

// maxSkip is the farthest that a conditional jump reaches.
const maxSkip = 255

// maxChunk bounds a chunk of conditions, so that every jump in it is short:
// seccomp.Program resolves long jumps wrongly (see TestAssemblerLongJump).
const maxChunk = 180

// cost is an upper bound of the instructions that condition c takes.
func cost(c policy.Cond) int {
	if c.Op == policy.MaskEqual {
		return 4 + bits.OnesCount64(c.Value)
	}
	return 5
}

// chunks cuts conds into pieces of at most maxChunk instructions.
func chunks(conds []policy.Cond) [][]policy.Cond {
	var out [][]policy.Cond
	start, n := 0, 0
	for i, c := range conds {
		if n += cost(c); n > maxChunk {
			out = append(out, conds[start:i])
			start, n = i, cost(c)
		}
	}
	return append(out, conds[start:])
}

// test is the tester of Compile.
func test(a *assembler, _ int, conds []policy.Cond, yes, no label) (label, error) {
	pieces := chunks(conds)
	for i := len(pieces) - 1; i >= 0; i-- {
		code, err := assemble(pieces[i])
		if err != nil {
			return 0, err
		}
		a.goTo(no)
		no = a.here()
		a.jump(yes)
		slices.Reverse(code)
		a.rev = append(a.rev, code...)
		yes = a.here()
	}
	return yes, nil
}

// assemble returns code for the conditions of one chunk. Where all hold, it
// runs to its end; where one does not, it skips one instruction after the end.
func assemble(conds []policy.Cond) ([]netbpf.RawInstruction, error) {
	p := seccomp.NewProgram()
	fail := p.NewLabel()
	for _, c := range conds {
		testOne(&p, c, fail)
	}
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
