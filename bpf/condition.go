package bpf

import (
	"fmt"
	"math"
	"math/bits"
	"slices"

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
// seccomp.Program, which assembles the templates and what they are compared with,
// resolves long jumps wrongly (see TestAssemblerLongJump).
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
	var code []netbpf.RawInstruction
	for _, c := range conds {
		code = appendCondition(code, c)
	}
	if len(code) >= toFail {
		return nil, fmt.Errorf("conditions take %d instructions at once", len(code))
	}
	for i := range code {
		in := &code[i]
		if in.Jt == toFail {
			in.Jt = uint8(len(code) - i)
		}
		if in.Jf == toFail {
			in.Jf = uint8(len(code) - i)
		}
	}
	return code, nil
}

// appendCondition appends code that runs on where c holds, and jumps toFail where
// it does not.
func appendCondition(code []netbpf.RawInstruction, c policy.Cond) []netbpf.RawInstruction {
	switch c.Op {
	case policy.Equal:
		return appendTemplate(code, equal, c.Arg, c.Value)
	case policy.NotEqual:
		return appendTemplate(code, notEqual, c.Arg, c.Value)
	case policy.Less:
		return appendOrder(code, c, lessHigh, lessLeast, lessMost, less)
	case policy.GreaterEqual:
		return appendOrder(code, c, greaterEqualHigh, greaterEqualLeast, greaterEqualMost, greaterEqual)
	}
	if mask := uint32(c.Mask >> 32); mask != 0 {
		code = appendTemplate(code, loadHigh, c.Arg, 0)
		code = appendBits(code, mask, uint32(c.Value>>32))
	}
	if mask := uint32(c.Mask); mask != 0 {
		code = appendTemplate(code, loadLow, c.Arg, 0)
		code = appendBits(code, mask, uint32(c.Value))
	}
	return code
}

// appendOrder appends an ordered comparison: high where the low half of the value is
// 0 and does not matter, least and most where nothing is below and above its high half.
func appendOrder(code []netbpf.RawInstruction, c policy.Cond, high, least, most, other template) []netbpf.RawInstruction {
	switch {
	case uint32(c.Value) == 0:
		return appendTemplate(code, high, c.Arg, c.Value)
	case c.Value>>32 == 0:
		return appendTemplate(code, least, c.Arg, c.Value)
	case c.Value>>32 == math.MaxUint32:
		return appendTemplate(code, most, c.Arg, c.Value)
	}
	return appendTemplate(code, other, c.Arg, c.Value)
}

// appendBits appends the test that the loaded half, masked, is value. The assembler
// of the templates has no AND, so bits that must be clear are tested together and
// bits that must be set one by one.
func appendBits(code []netbpf.RawInstruction, mask, value uint32) []netbpf.RawInstruction {
	if mask == math.MaxUint32 {
		return appendTemplate(code, bitsEqual, 0, uint64(value))
	}
	if clear := mask &^ value; clear != 0 {
		code = appendTemplate(code, bitsClear, 0, uint64(clear))
	}
	for v := value; v != 0; v &= v - 1 {
		code = appendTemplate(code, bitSet, 0, uint64(v&-v))
	}
	return code
}
