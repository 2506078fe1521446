package bpf

import (
	"fmt"
	"slices"

	netbpf "golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
)

// Offsets in struct seccomp_data, little endian (linux/seccomp.h).
const (
	offNr   = 0
	offArch = 4
	offIP   = 8
	offArgs = 16
	dataLen = 64
)

// Opcodes that filters use (linux/bpf_common.h).
const (
	opLoad = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	opJump = unix.BPF_JMP | unix.BPF_JA
	opEq   = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	opGe   = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	opGt   = unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K
	opSet  = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	opAnd  = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
	opRet  = unix.BPF_RET | unix.BPF_K
)

// A label is an instruction that has been emitted, as an index into
// assembler.at.
type label int

// An assembler builds a program from its end to its start. Jumps of classic
// BPF only go forward, so each jump's target is there when the jump is
// emitted, and its distance is known: a target too far away gets a copy or a
// stepping stone in front of the program, which later jumps use too.
type assembler struct {
	exempt  Exempt
	rev     []netbpf.RawInstruction // last instruction first
	at      []int                   // label → number of instructions from it to the end
	returns []returnLabel
	answers []answerLabel
}

type returnLabel struct {
	value uint32
	label label
}

type answerLabel struct {
	answer
	label label
}

func (a *assembler) emit(op uint16, k uint32) {
	a.rev = append(a.rev, netbpf.RawInstruction{Op: op, K: k})
}

// here returns a label for the instruction emitted last.
func (a *assembler) here() label {
	a.at = append(a.at, len(a.rev))
	return label(len(a.at) - 1)
}

// skip is how many instructions the next one emitted must skip to reach l.
func (a *assembler) skip(l label) int { return len(a.rev) - a.at[l] }

// reach brings l within max instructions of the next one emitted.
func (a *assembler) reach(l label, max int) {
	if a.skip(l) <= max {
		return
	}
	a.jump(l)
	a.at[l] = len(a.rev)
}

// branch emits a conditional jump.
func (a *assembler) branch(op uint16, k uint32, yes, no label) label {
	if yes == no {
		return yes
	}
	a.reach(yes, maxSkip-1) // the stone for no may come between
	a.reach(no, maxSkip)
	a.rev = append(a.rev, netbpf.RawInstruction{
		Op: op, K: k, Jt: uint8(a.skip(yes)), Jf: uint8(a.skip(no)),
	})
	return a.here()
}

// goTo makes what is emitted next run on at l.
func (a *assembler) goTo(l label) { a.reach(l, 0) }

// load emits the load of a word, after which the program runs on at next.
func (a *assembler) load(off uint32, next label) label {
	a.goTo(next)
	a.emit(opLoad, off)
	return a.here()
}

// ret returns the label of an instruction that returns value.
func (a *assembler) ret(value uint32) label {
	for _, r := range a.returns {
		if r.value == value {
			return r.label
		}
	}
	a.emit(opRet, value)
	l := a.here()
	a.returns = append(a.returns, returnLabel{value, l})
	return l
}

// answer returns the label of code that gives ans.
func (a *assembler) answer(ans answer) label {
	ans.stubs = ans.stubs && a.exempt.StubsEnd != 0
	if ans.away == ans.gate || a.exempt.Gate == 0 {
		return a.ret(ans.away)
	}
	for _, x := range a.answers {
		if x.answer == ans {
			return x.label
		}
	}
	l := a.pointer(ans.stubs, a.ret(ans.gate), a.ret(ans.away))
	a.answers = append(a.answers, answerLabel{ans, l})
	return l
}

// pointer emits the test that sends calls from the gate, and from the stubs if
// they count too, to through and others to away. Calls are seen at the address
// after their instruction. The low half is tested first: hardly any other site
// shares it. Stubs come before the gate, since they make most calls.
func (a *assembler) pointer(stubs bool, through, away label) label {
	ip := a.exempt.Gate + syscallLen
	high := a.load(offIP+4, a.branch(opEq, uint32(ip>>32), through, away))
	low := a.branch(opEq, uint32(ip), high, away)
	if a.exempt.GateEnd != 0 {
		in := a.branch(opGt, uint32(a.exempt.GateEnd), away, high)
		low = a.branch(opGe, uint32(ip), in, away)
	}
	if stubs {
		in := a.branch(opGt, uint32(a.exempt.StubsEnd), low, high)
		low = a.branch(opGe, uint32(a.exempt.Stubs+syscallLen), in, low)
	}
	return a.load(offIP, low)
}

// A tester emits the test of conds on a call of number nr: code that goes on
// at yes where all hold, and at no where one does not.
type tester func(a *assembler, nr int, conds []policy.Cond, yes, no label) (label, error)

// body returns the label of code that decides b.
func (a *assembler) body(nr int, b body, test tester) (label, error) {
	for _, c := range b { // now, so that their code does not come in between
		a.answer(c.answer)
	}
	next := a.answer(b[len(b)-1].answer)
	for i := len(b) - 2; i >= 0; i-- {
		var err error
		if next, err = test(a, nr, b[i].conds, a.answer(b[i].answer), next); err != nil {
			return 0, err
		}
	}
	return next, nil
}

// jump emits a jump to l, or what is there where that is a return.
func (a *assembler) jump(l label) {
	in := a.rev[a.at[l]-1]
	if in.Op != opRet {
		in = netbpf.RawInstruction{Op: opJump, K: uint32(a.skip(l))}
	}
	a.rev = append(a.rev, in)
}

// program returns what was emitted, first instruction first.
func (a *assembler) program(k kind) ([]netbpf.RawInstruction, error) {
	if n := len(a.rev); n > MaxInstructions {
		return nil, fmt.Errorf("bpf: the %s filter takes %d instructions, and a filter has at most %d: %w", k, n, MaxInstructions, ErrTooLong)
	}
	slices.Reverse(a.rev)
	return a.rev, nil
}
