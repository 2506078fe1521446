package site

import (
	"fmt"
	"math"

	"golang.org/x/arch/x86/x86asm"
)

// A Stub is the code that a patched site jumps to. It executes what was
// displaced, puts the return address into rcx, as the `syscall` instruction
// would, and jumps to the entry. There all else is as at the `syscall`
// instruction, but for r11, which that changes too; no stack is used. The entry
// ends by jumping to rcx with the flags in r11, or to rcx-2: there the
// program's own `syscall` instruction stands.
type Stub struct {
	Addr  uint64 // in the process
	Code  []byte
	Steps []Step
}

// A Step says where a thread stands by the program's own account while it is
// in a stub, for those who unwind, and who move threads out of a stub: at
// offset Off, as at address Addr in the process. From the last step on rcx may
// have changed, then r11, which the program has given up at Addr, the site.
type Step struct {
	Off  int
	Addr uint64
}

// A StubSpec is what a stub depends on besides its plan; all addresses are
// those of the process.
type StubSpec struct {
	Addr  uint64 // of the stub: in [Option.Stub]
	Entry uint64 // where it jumps to
	// Fold leaves the instruction out that loads the number, if one does
	// nothing else. The entry then knows the number, and must load it before it
	// jumps to rcx-2.
	Fold bool

	// The dispatcher's table, for [Call]: a word of 32 bits for each of the first
	// Numbers calls, which is at least Answered for those that need no system call.
	Table, Numbers uint32
	Answered       byte
}

// MaxStub is the most bytes that a stub has: a run, in which a lea of seven
// bytes may have become one of ten, and the way out.
const MaxStub = max(maxRunBytes+3*maxRun+10+13, 4*(windowUnit+8))

// Stub makes an option's stub.
func (p *Plan) Stub(o Option, bias uint64, s StubSpec) (Stub, error) {
	if !o.Stub(bias).Contains(s.Addr) {
		return Stub{}, fmt.Errorf("site %#x: stub of %v jump can't stand at %#x", p.Site, o.Shape, s.Addr)
	}
	return p.stub(o, bias, s)
}

// at is the same for another address.
func (s StubSpec) at(addr uint64) StubSpec {
	s.Addr = addr
	return s
}

func (p *Plan) windowError(at uint64) error {
	return fmt.Errorf("site %#x: no room for the stub of a cancellation window at %#x", p.Site, at)
}

func (p *Plan) stub(o Option, bias uint64, s StubSpec) (Stub, error) {
	if p.window != nil {
		return p.windowStub(o, bias, s)
	}
	out := Stub{Addr: s.Addr}
	for i := o.First; i < len(p.Run); i++ {
		in := &p.Run[i]
		out.Steps = append(out.Steps, Step{len(out.Code), in.Addr + bias})
		if s.Fold && o.Folded && in.number && p.lastNumber(i) {
			continue
		}
		var err error
		if out.Code, err = in.relocate(out.Code, s.Addr, bias); err != nil {
			return Stub{}, fmt.Errorf("site %#x: stub at %#x: %w", p.Site, s.Addr, err)
		}
	}
	out.Steps = append(out.Steps, Step{len(out.Code), p.Site + bias})
	out.Code = loadRCX(out.Code, s.Addr, p.Return(bias))
	out.Code = jumpTo(out.Code, s.Addr, s.Entry)
	return out, nil
}

// lastNumber tells whether nothing behind instruction i of the run looks at
// the number that it loads or changes it: only then can it be left out.
func (p *Plan) lastNumber(i int) bool {
	for _, in := range p.Run[i+1:] {
		if in.usesRAX {
			return false
		}
	}
	return true
}

// relocate appends an instruction to code that stands at an address.
func (in *Insn) relocate(code []byte, at, bias uint64) ([]byte, error) {
	if in.pcrel == 0 {
		return append(code, in.Bytes...), nil
	}
	ref := in.ref + bias
	next := at + uint64(len(code)+len(in.Bytes))
	if d, ok := displacement(next, ref); ok {
		n := len(code)
		code = append(code, in.Bytes...)
		le.PutUint32(code[n+in.pcrel:], d)
		return code, nil
	}
	if !in.lea {
		return nil, fmt.Errorf("%v: more than 2 GiB away", in)
	}
	return loadConstant(code, in.dst, ref), nil
}

// displacement is what leads from the end of an instruction to an address.
func displacement(next, to uint64) (uint32, bool) {
	d := int64(to - next)
	return uint32(d), d >= math.MinInt32 && d <= math.MaxInt32
}

// loadConstant appends what a lea comes to whose address is out of reach.
func loadConstant(code []byte, dst x86asm.Reg, v uint64) []byte {
	r, wide := byte(0), byte(0x48)
	switch {
	case dst >= x86asm.RAX && dst <= x86asm.R15:
		r = byte(dst - x86asm.RAX)
	case dst >= x86asm.EAX && dst <= x86asm.R15L:
		r, wide = byte(dst-x86asm.EAX), 0x40
	}
	code = append(code, wide|r>>3, 0xb8|r&7)
	if wide == 0x40 {
		return le.AppendUint32(code, uint32(v))
	}
	return le.AppendUint64(code, v)
}

// loadRCX appends what puts an address into rcx and leaves the flags.
func loadRCX(code []byte, at, addr uint64) []byte {
	if addr <= math.MaxUint32 {
		return le.AppendUint32(append(code, 0xb9), uint32(addr)) // mov $addr,%ecx
	}
	const size = 7
	if d, ok := displacement(at+uint64(len(code))+size, addr); ok {
		return le.AppendUint32(append(code, 0x48, 0x8d, 0x0d), d) // lea addr(%rip),%rcx
	}
	return le.AppendUint64(append(code, 0x48, 0xb9), addr) // movabs $addr,%rcx
}

// jumpTo appends a jump to an address. It may take r11, which the call would
// have changed.
func jumpTo(code []byte, at, addr uint64) []byte {
	const size = 5
	if d, ok := displacement(at+uint64(len(code))+size, addr); ok {
		return le.AppendUint32(append(code, jmpRel...), d)
	}
	if addr <= math.MaxUint32 {
		code = le.AppendUint32(append(code, 0x41, 0xbb), uint32(addr)) // mov $addr,%r11d
	} else {
		code = le.AppendUint64(append(code, 0x49, 0xbb), addr) // movabs $addr,%r11
	}
	return append(code, 0x41, 0xff, 0xe3) // jmp *%r11
}
