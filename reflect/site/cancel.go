package site

import (
	"bytes"
	"slices"

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
// cancelled. Nothing in there is replaced, but the one `call` that leads there: its
// stub serves what needs no system call, and so never sleeps, and leads all else to the
// function. What comes to be answered looks at the word first, in the window's own
// instructions: a thread that was cancelled goes to the function, which finds that too.
// A signal behind that look is one that came after the call.

// A cancelPoint is such a function.
type cancelPoint struct {
	start uint64
	call  uint64 // the instruction that leads there
	test  []Insn // up to the branch
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
	var run []Insn
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
			run = append(run, describe(&d, n, code))
		case !looks(&d):
			return nil, refused
		default:
			w.test = append(w.test, describe(&d, n, code))
		}
	}
	calls := f.callsTo(w.start)
	if !branched || len(w.test) == 0 || len(run) == 0 || len(calls) != 1 {
		return nil, refused
	}
	w.call, w.code = calls[0], slices.Clone(a.code[:a.site+2-a.fn.Start])
	a.plan = &Plan{Site: a.site, Function: a.fn, Number: -1, Run: run, window: w}
	seg := f.segment(w.call)
	lo, hi := max(w.call&^7-8, seg.addr), min((w.call+31)&^7, seg.end())
	a.plan.codeAddr, a.plan.code = lo, slices.Clone(seg.bytes[lo-seg.addr:hi-seg.addr])
	operand := w.call + 1
	free := min(4, operand&^7+8-operand)
	o := Option{Shape: Call, Online: true, written: uint8(free)}
	if !a.bound(&o, operand, int(free)) {
		return nil, refused
	}
	a.plan.Options = []Option{o}
	return a.plan, nil
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

// windowUnit is how long each of the two parts of a window's stub may be.
const windowUnit = 64 - 8

// windowStub is the stub that a call to the function of a window is led to: eight
// bytes behind each part are free, for unwinders to find the address behind the site.
func (p *Plan) windowStub(bias uint64, s StubSpec) (Stub, error) {
	w := p.window
	const jbe, jae = 0x6, 0x3
	var away []int // 32-bit operands that lead to the function
	leave := func(code []byte, cond byte) []byte {
		code = append(code, 0x0f, 0x80|cond)
		away = append(away, len(code))
		return append(code, 0, 0, 0, 0)
	}
	code := []byte{0x89, 0xf0} // mov %esi,%eax: the number is the second argument
	code = leave(le.AppendUint32(append(code, 0x3d), s.Numbers), jae)
	// cmpl $Answered-1,Table(,%rax,4)
	code = append(le.AppendUint32(append(code, 0x83, 0x3c, 0x85), s.Table), s.Answered-1)
	code = leave(code, jbe)
	for i := range w.test {
		var err error
		if code, err = w.test[i].relocate(code, s.Addr, bias); err != nil {
			return Stub{}, err
		}
	}
	code = leave(code, w.cond)
	const second = windowUnit + 8
	code = append(code, jmpShort, byte(second-len(code)-jmpShortBytes))
	if len(code) > windowUnit {
		return Stub{}, p.windowError(s.Addr)
	}
	for _, at := range away {
		d, ok := displacement(s.Addr+uint64(at)+4, w.start+bias)
		if !ok {
			return Stub{}, p.windowError(s.Addr)
		}
		le.PutUint32(code[at:], d)
	}
	code = append(code, bytes.Repeat([]byte{breakpoint}, second-len(code))...)
	le.PutUint64(code[windowUnit:], p.Return(bias))
	for i := range p.Run {
		var err error
		if code, err = p.Run[i].relocate(code, s.Addr, bias); err != nil {
			return Stub{}, err
		}
	}
	code = loadRCX(code, s.Addr, p.Return(bias))
	code = jumpTo(code, s.Addr, s.Entry)
	if len(code) > second+windowUnit {
		return Stub{}, p.windowError(s.Addr)
	}
	return Stub{Addr: s.Addr, Code: code}, nil
}
