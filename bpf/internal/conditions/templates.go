package conditions

import (
	"fmt"
	"math"

	seccomp "github.com/elastic/go-seccomp-bpf"
	netbpf "golang.org/x/net/bpf"

	"github.com/sysreflect/sysreflect/policy"
)

// A Template is the code of one shape of condition, with names for what differs
// between conditions of that shape.
type Template struct {
	Name  string
	Steps []Step
}

// A Step is an instruction. K names its operand, and a jump to fail has a skip of Fail.
type Step struct {
	Op     uint16
	Jt, Jf uint8
	K      string
}

// Fail is the skip that stands for the jump to where a condition does not hold.
const Fail = maxSkip

// What stands for the parts of a condition in the code that becomes a template.
const (
	argMark  = 5
	highMark = 0x9abcdef1
	lowMark  = 0x12345678
)

// A shape is named as package bpf names its template, and emits a condition of it.
// Operands are found by value.
type shape struct {
	name string
	emit func(p *seccomp.Program, fail seccomp.Label)
	high uint32
}

// condition is the shape of conditions that compare as c does.
func condition(name string, op policy.Op, high, low uint32) shape {
	c := policy.Cond{Arg: argMark, Op: op, Value: uint64(high)<<32 | uint64(low)}
	return shape{name, func(p *seccomp.Program, fail seccomp.Label) { testOne(p, c, fail) }, high}
}

// bits is the shape of a test of the loaded half.
func bits(name string, mask, value uint32) shape {
	return shape{name, func(p *seccomp.Program, fail seccomp.Label) { testBits(p, mask, value, fail) }, highMark}
}

var shapes = []shape{
	condition("equal", policy.Equal, highMark, lowMark),
	condition("notEqual", policy.NotEqual, highMark, lowMark),
	condition("less", policy.Less, highMark, lowMark),
	condition("lessHigh", policy.Less, highMark, 0),
	condition("lessLeast", policy.Less, 0, lowMark),
	condition("lessMost", policy.Less, math.MaxUint32, lowMark),
	condition("greaterEqual", policy.GreaterEqual, highMark, lowMark),
	condition("greaterEqualHigh", policy.GreaterEqual, highMark, 0),
	condition("greaterEqualLeast", policy.GreaterEqual, 0, lowMark),
	condition("greaterEqualMost", policy.GreaterEqual, math.MaxUint32, lowMark),
	{"loadHigh", func(p *seccomp.Program, _ seccomp.Label) { p.LdHi(argMark) }, highMark},
	{"loadLow", func(p *seccomp.Program, _ seccomp.Label) { p.LdLo(argMark) }, highMark},
	bits("bitsEqual", math.MaxUint32, lowMark),
	bits("bitsClear", lowMark, 0),
	bits("bitSet", 1<<31, 1<<31),
}

// Templates returns all templates.
func Templates() ([]Template, error) {
	var out []Template
	for _, s := range shapes {
		t, err := s.template()
		if err != nil {
			return nil, fmt.Errorf("template %s: %w", s.name, err)
		}
		out = append(out, t)
	}
	return out, nil
}

func (s shape) template() (Template, error) {
	code, err := assemble(s.emit)
	if err != nil {
		return Template{}, err
	}
	t := Template{Name: s.name}
	for i, in := range code {
		k, err := s.operand(in)
		if err != nil {
			return Template{}, fmt.Errorf("instruction %d: %w", i, err)
		}
		// Where a condition holds, code runs on after the template.
		toFail := uint8(len(code) - i)
		mark := func(skip uint8) uint8 {
			if skip == toFail {
				return Fail
			}
			return skip
		}
		t.Steps = append(t.Steps, Step{Op: in.Op, Jt: mark(in.Jt), Jf: mark(in.Jf), K: k})
	}
	return t, nil
}

// operand names what in compares with, or loads.
func (s shape) operand(in netbpf.RawInstruction) (string, error) {
	const args, wordLen, argLen = 16, 4, 8 // struct seccomp_data, little endian
	if class := in.Op & 7; class == 0 {
		switch in.K {
		case args + argMark*argLen:
			return "argLow", nil
		case args + argMark*argLen + wordLen:
			return "argHigh", nil
		}
		return "", fmt.Errorf("loads from %d", in.K)
	}
	switch in.K {
	case s.high:
		return "high", nil
	case lowMark, 1 << 31:
		return "low", nil
	}
	return "", fmt.Errorf("operand %#x stands for nothing", in.K)
}
