package site

import (
	"fmt"

	"golang.org/x/arch/x86/x86asm"
)

// A Plan says how a site can be patched. It is immutable and holds for every
// process that maps the file: addresses are those of the file as linked, and
// methods take the bias, what was added to them where the file is mapped.
type Plan struct {
	Site     uint64 // address of the `syscall` instruction, which stays
	Function Function

	// Number is the call's number where straight-line code before the site
	// sets it, else -1. An option whose Folded is true carries the number in
	// its stub; under others a branch may bring another one, so the stub's
	// target must look at eax.
	Number int

	// FlagsDead: the code behind the site sets all arithmetic flags before it
	// reads any. What is in r11 after the call is another matter.
	FlagsDead bool

	// Entered: a branch of the function leads to the `syscall` instruction
	// itself. What comes by it meets a real system call.
	Entered bool

	// Run is the straight-line code before the site, or before the call that leads
	// to its cancellation window, in order; each option but [Call] replaces one
	// instruction of it.
	Run []Insn

	// Options are the ways to patch, best first; never empty.
	Options []Option

	code     []byte // a copy of what is around the site, or around a window's call
	codeAddr uint64
	window   *cancelPoint // where the site stands in one
}

// end is what the run ends at: the `syscall` instruction or, for a cancellation
// window, the `call` that leads there. behind is what follows it.
func (p *Plan) end() (addr, behind uint64) {
	if p.window != nil {
		return p.window.call, p.window.call + 5
	}
	return p.Site, p.Site + 2
}

// Return is the address at which the program goes on after the call.
func (p *Plan) Return(bias uint64) uint64 { return p.Site + 2 + bias }

// An Insn is an instruction before a site.
type Insn struct {
	Addr  uint64
	Bytes []byte

	number  bool // loads a constant into rax and does nothing else
	usesRAX bool // names rax, or a part of it, or is not known not to use it
	lea     bool
	pcrel   int    // where its 32 bits relative to rip stand, 0 if there are none
	ref     uint64 // the address that they name
	dst     x86asm.Reg
}

func (n Insn) end() uint64 { return n.Addr + uint64(len(n.Bytes)) }

// String is the instruction in GNU syntax.
func (n Insn) String() string {
	d, ok := decode(n.Bytes)
	if !ok || d.Op == 0 {
		return fmt.Sprintf("(% x)", n.Bytes)
	}
	return x86asm.GNUSyntax(d, n.Addr, nil)
}

// A Shape is a way to get from the site to the stub.
type Shape uint8

const (
	// Direct is `jmp rel32`; the stub stands in the option's window.
	Direct Shape = iota + 1
	// Indirect is `jmp *abs32`: the stub's address stands in 8 bytes of memory
	// in the option's window, in the low 2 GiB.
	Indirect
	// Relay is `jmp rel8` to padding nearby, which holds a `jmp rel32`.
	Relay
	// IndirectRelay is `jmp rel8` to padding that holds a `jmp *abs32`.
	IndirectRelay
	// Call leads a `call` elsewhere: the only one to the function that the site stands
	// in, which is a cancellation window. The stub serves what needs no system call.
	Call
)

func (s Shape) String() string {
	switch s {
	case Direct:
		return "direct"
	case Indirect:
		return "indirect"
	case Relay:
		return "relay"
	case IndirectRelay:
		return "indirect relay"
	case Call:
		return "call"
	}
	return fmt.Sprintf("shape %d", s)
}

// An Option replaces one instruction of a plan's run by a jump. The stub
// executes it and those behind it, up to the site, before anything else.
type Option struct {
	Shape Shape
	First int // the replaced instruction's index in the plan's Run

	// Online: the write lies within one aligned 8 bytes, so threads may be
	// running. Otherwise no thread may have run this code yet.
	Online bool

	// Folded: the displaced instructions load the plan's Number.
	Folded bool

	// Bypassed: a branch of the function leads behind the replaced
	// instruction; what comes by it meets a real system call.
	Bypassed bool

	// Faults: a displaced instruction uses memory that may be missing. Where it
	// is, the fault is in the stub.
	Faults bool

	// Padding that a relay takes, else empty. Misleads: the unwind tables
	// describe another frame there than the site's, so that a thread that is
	// interrupted at this one instruction is unwound wrongly, by a profiler or
	// where a signal cancels the thread.
	Padding  Range
	Misleads bool

	prefixes uint8 // before the jump's opcode
	written  uint8 // bytes, from the replaced instruction on
	// lo and hi bound the operand, inclusive: relative to the file for Direct
	// and Relay, else absolute.
	lo, hi int64
	// stub bounds where the stub may stand, by what it refers to.
	stubLo, stubHi int64
}

// A Window is the addresses from First to Last, inclusive. Empty: First > Last.
type Window struct{ First, Last uint64 }

// Contains tells whether a window has an address in it.
func (w Window) Contains(addr uint64) bool { return addr >= w.First && addr <= w.Last }

// Empty tells whether there is no address in a window.
func (w Window) Empty() bool { return w.First > w.Last }

// userTop is the last address that a program may have, with 4-level page tables.
const userTop = 1<<47 - 4096 - 1

func window(lo, hi int64) Window {
	if hi < 0 || lo > userTop {
		return Window{First: 1}
	}
	return Window{uint64(max(lo, 0)), uint64(min(hi, userTop))}
}

// Dest is where an option's jump may lead: addresses of the stub, or for the
// indirect shapes of the 8 bytes that hold its address.
func (o Option) Dest(bias uint64) Window {
	if o.indirect() {
		return window(o.lo, o.hi)
	}
	return window(o.lo+int64(bias), o.hi+int64(bias))
}

// Stub is where an option's stub may begin: what it refers to relative to its
// own address must be near.
func (o Option) Stub(bias uint64) Window {
	w := Window{0, userTop}
	if o.stubLo != 0 || o.stubHi != 0 {
		w = window(o.stubLo+int64(bias), o.stubHi+int64(bias))
	}
	if d := o.Dest(bias); !o.indirect() {
		w = Window{max(w.First, d.First), min(w.Last, d.Last)}
	}
	return w
}

func (o Option) indirect() bool { return o.Shape == Indirect || o.Shape == IndirectRelay }

// Size is how many values an option's jump can take.
func (o Option) Size() uint64 { return uint64(o.hi-o.lo) + 1 }
