package bpf

import (
	"bufio"
	"fmt"
	"io"

	netbpf "golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
)

// Disassemble lists both filters on w, an instruction a line: index, opcode,
// jump distances and constant in hexadecimal as struct sock_filter has them,
// and what they do. A is the accumulator.
func (p *Program) Disassemble(w io.Writer) error {
	b := bufio.NewWriter(w)
	p.list(b, mainFilter, p.Main)
	if p.Deny != nil {
		b.WriteByte('\n')
		p.list(b, denyFilter, p.Deny)
	}
	return b.Flush()
}

func (p *Program) list(b *bufio.Writer, k kind, prog []netbpf.RawInstruction) {
	fmt.Fprintf(b, "%s filter, %d instructions", k, len(prog))
	switch {
	case k == denyFilter:
		b.WriteString(", the gate is not exempt")
	case p.Gate != 0:
		fmt.Fprintf(b, ", calls from the gate are seen at %#x", p.Gate+syscallLen)
		if p.StubsEnd != 0 {
			fmt.Fprintf(b, ", from the stubs at %#x to %#x", p.Stubs+syscallLen, p.StubsEnd)
		}
	}
	b.WriteString("\n")
	held := holding(prog)
	for pc, in := range prog {
		fmt.Fprintf(b, "%4d  %04x %02x %02x %08x  %s\n", pc, in.Op, in.Jt, in.Jf, in.K, p.explain(pc, in, held[pc]))
	}
}

// unknown is what the accumulator holds where paths with different loads meet.
const unknown = ^uint32(0)

// holding returns, for each instruction, the offset of the word that the
// accumulator holds when it runs.
func holding(prog []netbpf.RawInstruction) []uint32 {
	held := make([]uint32, len(prog))
	seen := make([]bool, len(prog))
	flow := func(to int, off uint32) {
		if to >= len(prog) {
			return
		}
		if seen[to] && held[to] != off {
			off = unknown
		}
		held[to], seen[to] = off, true
	}
	flow(0, unknown)
	for pc, in := range prog {
		switch in.Op {
		case opLoad:
			flow(pc+1, in.K)
		case opJump:
			flow(pc+1+int(in.K), held[pc])
		case opEq, opGe, opGt, opSet:
			flow(pc+1+int(in.Jt), held[pc])
			flow(pc+1+int(in.Jf), held[pc])
		case opRet:
		default:
			flow(pc+1, unknown)
		}
	}
	return held
}

// explain returns instruction in, at index pc, in words.
func (p *Program) explain(pc int, in netbpf.RawInstruction, held uint32) string {
	next := pc + 1
	switch in.Op {
	case opLoad:
		return "A = " + field(in.K)
	case opAnd:
		return fmt.Sprintf("A &= %#x", in.K)
	case opJump:
		return fmt.Sprintf("goto %d", next+int(in.K))
	case opEq, opGe, opGt, opSet:
		yes, no := next+int(in.Jt), next+int(in.Jf)
		test, negation := tests(in.Op)
		k := p.constant(in, held)
		switch next {
		case yes:
			return fmt.Sprintf("if %s goto %d", fmt.Sprintf(negation, k), no)
		case no:
			return fmt.Sprintf("if %s goto %d", fmt.Sprintf(test, k), yes)
		}
		return fmt.Sprintf("if %s goto %d else %d", fmt.Sprintf(test, k), yes, no)
	case opRet:
		return "return " + returned(in.K)
	}
	return "?"
}

// tests returns a comparison, and its opposite.
func tests(op uint16) (test, negation string) {
	switch op {
	case opEq:
		return "A == %s", "A != %s"
	case opGe:
		return "A >= %s", "A < %s"
	case opGt:
		return "A > %s", "A <= %s"
	}
	return "A & %s", "!(A & %s)"
}

// field names the word of struct seccomp_data at off.
func field(off uint32) string {
	half := "low"
	if off%8 == 4 {
		half = "high"
	}
	switch {
	case off == offNr:
		return "number"
	case off == offArch:
		return "architecture"
	case off < offArgs:
		return "instruction pointer, " + half
	case off < dataLen && off%4 == 0:
		return fmt.Sprintf("argument %d, %s", (off-offArgs)/8, half)
	}
	return fmt.Sprintf("[%d]", off)
}

// constant prints the constant of a comparison with the word at held.
func (p *Program) constant(in netbpf.RawInstruction, held uint32) string {
	ip := p.Gate + syscallLen
	switch {
	case held == offArch:
		if name := archName(in.K); name != "" {
			return name
		}
	case held == offNr:
		if in.K == x32Bit {
			return fmt.Sprintf("%#x (x32)", in.K)
		}
		if name, ok := policy.Name(int(in.K)); ok {
			return fmt.Sprintf("%d (%s)", in.K, name)
		}
		return fmt.Sprint(in.K)
	case held == offIP && in.K == uint32(ip), held == offIP+4 && in.K == uint32(ip>>32):
		return fmt.Sprintf("%#x (gate)", in.K)
	case held == offIP && p.StubsEnd != 0 && (in.K == uint32(p.Stubs+syscallLen) || in.K == uint32(p.StubsEnd)):
		return fmt.Sprintf("%#x (stubs)", in.K)
	}
	return fmt.Sprintf("%#x", in.K)
}

// returned prints a return value.
func returned(ret uint32) string {
	action, data := Action(ret&unix.SECCOMP_RET_ACTION_FULL), ret&unix.SECCOMP_RET_DATA
	switch {
	case action == Errno && data == 0:
		return "ERRNO 0 (success)"
	case action == Errno:
		return fmt.Sprintf("ERRNO %d (%s)", data, unix.ErrnoName(unix.Errno(data)))
	case data != 0:
		return fmt.Sprintf("%v %d", action, data)
	}
	return action.String()
}
