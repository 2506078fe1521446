package bpf

import netbpf "golang.org/x/net/bpf"

// A template is the code of one shape of condition, as elastic/go-seccomp-bpf
// assembles it, with places for what differs between conditions of that shape.
// The assembler itself is no part of a run: see package conditions.
type template []step

type step struct {
	op     uint16
	jt, jf uint8
	k      place
}

// A place is what an instruction of a template takes as its operand.
type place uint8

const (
	argLow  place = iota // offset of the argument's low half
	argHigh              // and of its high half
	low                  // low half of the value
	high                 // and its high half
)

// toFail is the skip of jumps that leave a chunk of conditions because one does
// not hold. No other jump is as long.
const toFail = maxSkip

// appendTemplate appends t for a comparison of argument arg with value.
func appendTemplate(code []netbpf.RawInstruction, t template, arg int, value uint64) []netbpf.RawInstruction {
	for _, s := range t {
		in := netbpf.RawInstruction{Op: s.op, Jt: s.jt, Jf: s.jf}
		switch s.k {
		case argLow:
			in.K = offArgs + 8*uint32(arg)
		case argHigh:
			in.K = offArgs + 8*uint32(arg) + 4
		case low:
			in.K = uint32(value)
		case high:
			in.K = uint32(value >> 32)
		}
		code = append(code, in)
	}
	return code
}
