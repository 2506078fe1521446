package site

import (
	"bytes"
	"slices"
	"sync"

	"golang.org/x/arch/x86/x86asm"
)

// C libraries make system calls that can be cancelled in one function:
//
//	load and test *first argument, the thread's word for cancellation
//	jne	cancel
//	move the other arguments to where the kernel wants them
//	syscall
//	ret
//
// A signal cancels the thread if the program counter stands between load and
// `syscall`, the window, or behind it; from anywhere else the handler only returns. So
// a thread that leaves the window by a jump and then sleeps in the call would not be
// cancelled. Nothing in there is replaced, but the one `call` that leads there, or what
// stands before that as before a site: the stub serves what needs no system call, and so
// never sleeps, and leads all else to the function. What comes to be answered looks at the word first, in the window's own
// instructions: a thread that was cancelled goes to the function, which finds that too.
// A signal behind that look is one that came after the call.

// A cancelPoint is such a function.
type cancelPoint struct {
	start uint64
	call  uint64 // the instruction that leads there
	test  []Insn // up to the branch
	moves []Insn // behind it
	cond  byte   // of the branch, as in its opcode
	code  []byte // from start to behind the `syscall`
}

// Window returns the code of the cancellation window that a site stands in, and where
// it is in the process; nil for other sites. It must be found there, too.
func (p *Plan) Window(bias uint64) (addr uint64, code []byte) {
	if p.window == nil {
		return 0, nil
	}
	return p.window.start + bias, p.window.code
}

// cancelWindow makes the plan for a site in a cancellation window.
func (f *File) cancelWindow(a *analysis) (*Plan, error) {
	refused := a.refuse(CancelWindow, a.fn.Name)
	w := &cancelPoint{start: a.fn.Start}
	body := a.body.insns
	if body[0].addr != a.fn.Start || a.body.entered(a.fn.Start, a.site+1) {
		return nil, refused
	}
	branched := false
	for i, n := range body[:a.at] {
		code := a.code[n.addr-a.fn.Start:][:n.size]
		d, ok := decode(code)
		switch {
		case !ok || n.end() != body[i+1].addr:
			return nil, refused
		case !branched && bytes.Equal(code, endbr64):
		case !branched && n.flow == flowBranch:
			branched, w.cond = true, code[0]&0xf
			if code[0] == 0x0f {
				w.cond = code[1] & 0xf
			} else if code[0]&0xf0 != 0x70 {
				return nil, refused
			}
		case n.flow != flowNext || !movable(&d):
			return nil, refused
		case branched:
			w.moves = append(w.moves, describe(&d, n, code))
		case !looks(&d):
			return nil, refused
		default:
			w.test = append(w.test, describe(&d, n, code))
		}
	}
	calls := f.callsTo(w.start)
	if !branched || len(w.test) == 0 || len(w.moves) == 0 || len(calls) != 1 {
		return nil, refused
	}
	w.call, w.code = calls[0], slices.Clone(a.code[:a.site+2-a.fn.Start])
	b, ok := f.caller(w.call)
	if !ok {
		return nil, refused
	}
	b.plan = &Plan{Site: a.site, Function: a.fn, Number: -1, window: w}
	if b.straight() == nil {
		b.keepCode()
	} else {
		lo, hi := max(w.call&^7, b.seg.addr), min((w.call+12)&^7, b.seg.end())
		b.plan.codeAddr, b.plan.code = lo, slices.Clone(b.seg.bytes[lo-b.seg.addr:hi-b.seg.addr])
	}
	operand := w.call + 1
	free := min(4, operand&^7+8-operand)
	o := Option{Shape: Call, First: len(b.plan.Run), written: uint8(free)}
	_, o.Online = b.plan.bytes(operand&^7, 8)
	if b.bound(&o, operand, int(free)) {
		b.plan.Options = []Option{o}
	}
	b.options()
	if len(b.plan.Options) == 0 {
		return nil, refused
	}
	return b.plan, nil
}

// caller is the analysis of a `call` instruction as if it were a site.
func (f *File) caller(call uint64) (*analysis, bool) {
	b := &analysis{site: call, seg: f.segment(call), frames: f.frames}
	var ok bool
	if b.fn, ok = f.Function(call); !ok {
		return nil, false
	}
	b.code = b.seg.bytes[b.fn.Start-b.seg.addr : b.fn.End-b.seg.addr]
	b.body = decodeBody(b.code, b.fn.Start)
	b.padding = sync.OnceValue(func() []Range { return f.padding(b) })
	b.at, ok = b.body.find(call)
	return b, ok
}

var endbr64 = []byte{0xf3, 0x0f, 0x1e, 0xfa}

// looks tells whether an instruction only looks at memory or at rax: it can be
// executed twice.
func looks(d *x86asm.Inst) bool {
	switch d.Op {
	case x86asm.MOV, x86asm.MOVZX:
		dst, ok := d.Args[0].(x86asm.Reg)
		return ok && full(dst) == x86asm.RAX
	case x86asm.TEST, x86asm.CMP, x86asm.BT:
		return true
	}
	return false
}

// callsTo returns the `call` instructions that lead to an address.
func (f *File) callsTo(to uint64) (calls []uint64) {
	for i := range f.segments {
		s := &f.segments[i]
		if !s.code() {
			continue
		}
		for off := 0; ; off++ {
			n := bytes.IndexByte(s.bytes[off:], 0xe8)
			if off += n; n < 0 || off+5 > len(s.bytes) {
				break
			}
			at := s.addr + uint64(off)
			if at+5+uint64(int64(int32(le.Uint32(s.bytes[off+1:])))) != to {
				continue
			}
			fn, ok := f.Function(at)
			if !ok || fn.End-fn.Start > maxFunction {
				continue
			}
			b := decodeBody(s.bytes[fn.Start-s.addr:fn.End-s.addr], fn.Start)
			if k, ok := b.find(at); ok && b.insns[k].flow == flowCall && b.insns[k].target == to {
				calls = append(calls, at)
			}
		}
	}
	return calls
}

// windowUnit is how much of a unit of the region's stubs is code, in bytes.
const windowUnit = 64 - 8

// windowStub is the stub for a window: what was displaced, which a [Call] has nothing of,
// a part that finds out whether the call is answered in the program, and one that has it
// answered, in units of its own. What is not goes on at the `call`, or behind it.
func (p *Plan) windowStub(o Option, bias uint64, s StubSpec) (Stub, error) {
	w := p.window
	onward := w.start
	if o.Shape != Call {
		onward = w.call
	}
	const jbe, jae = 0x6, 0x3
	var code []byte
	var err error
	move := func(insns []Insn) {
		for i := range insns {
			if err == nil {
				code, err = insns[i].relocate(code, s.Addr, bias)
			}
		}
	}
	leave := func(cond byte) {
		code = append(code, 0x0f, 0x80|cond)
		d, ok := displacement(s.Addr+uint64(len(code))+4, onward+bias)
		if !ok && err == nil {
			err = p.windowError(s.Addr)
		}
		code = le.AppendUint32(code, d)
	}
	move(p.Run[o.First:])
	code = append(code, 0x89, 0xf0) // mov %esi,%eax: the number is the second argument
	code = le.AppendUint32(append(code, 0x3d), s.Numbers)
	leave(jae)
	// cmpl $Answered-1,Table(,%rax,4)
	code = append(le.AppendUint32(append(code, 0x83, 0x3c, 0x85), s.Table), s.Answered-1)
	leave(jbe)
	move(w.test)
	leave(w.cond)
	second := (len(code) + jmpShortBytes + 8 + 63) &^ 63
	code = append(code, jmpShort, byte(second-len(code)-jmpShortBytes))
	code = append(code, bytes.Repeat([]byte{breakpoint}, second-len(code))...)
	le.PutUint64(code[second-8:], p.Return(bias))
	if o.Shape != Call {
		// The return address, as the `call` would leave it; rax is nobody's.
		code = le.AppendUint64(append(code, 0x48, 0xb8), w.call+5+bias) // movabs $behind,%rax
		code = append(code, 0x50)                                       // push %rax
	}
	move(w.moves)
	code = loadRCX(code, s.Addr, p.Return(bias))
	code = jumpTo(code, s.Addr, s.Entry)
	return Stub{Addr: s.Addr, Code: code}, err
}
