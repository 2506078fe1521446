package site

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/arch/x86/x86asm"
	"golang.org/x/sys/unix"
)

const (
	execBias = 0x7d12_3456_7000
	// scratch is what all registers point into; it is filled with noise.
	scratch     = 0x5000_0000_0000
	scratchSize = 64 << 10
	stackTop    = scratch + scratchSize/2
	// entry has two: a breakpoint, and one that goes back to the site.
	entryAddr   = 0x41000
	entryServed = entryAddr
	entryBack   = entryAddr + 16
)

// A state is all of a program's that an instruction can change.
type state struct {
	regs   unix.PtraceRegs
	fp     fpregs
	memory [32]byte // hash of scratch
	signal unix.Signal
}

func (s *state) String() string {
	r := &s.regs
	return fmt.Sprintf("signal %d rip %#x rax %#x (%d) rbx %#x rcx %#x rdx %#x rsi %#x rdi %#x rbp %#x rsp %#x r8 %#x r9 %#x "+
		"r10 %#x r11 %#x r12 %#x r13 %#x r14 %#x r15 %#x flags %#x memory %x fp %x", s.signal, r.Rip, r.Rax, int64(r.Orig_rax), r.Rbx,
		r.Rcx, r.Rdx, r.Rsi, r.Rdi, r.Rbp, r.Rsp, r.R8, r.R9, r.R10, r.R11, r.R12, r.R13, r.R14, r.R15, r.Eflags, s.memory[:4],
		sha256.Sum256(s.fp[:]))
}

// An executor compares original with patched code.
type executor struct {
	*victim
	start state

	pointers unix.PtraceRegs // start's, all pointers
	noise    []byte
	stubs    map[Shape]int
	faults   int
	steps    int
}

func newExecutor(t testing.TB) *executor {
	x := &executor{victim: newVictim(t), stubs: map[Shape]int{}}
	random := rand.New(rand.NewPCG(1, 2))
	x.noise = make([]byte, scratchSize)
	for i := 0; i < len(x.noise); i += 8 {
		binary.LittleEndian.PutUint64(x.noise[i:], random.Uint64())
	}
	for _, r := range []Range{{scratch, scratch + scratchSize}, {entryAddr, entryAddr + pageSize}} {
		if !x.mmap(r) {
			t.Fatal("victim's addresses are taken")
		}
	}
	x.victim.write(entryServed, []byte{0xcc})
	x.victim.write(entryBack, []byte{0x48, 0x8d, 0x49, 0xfe, 0xff, 0xe1}) // lea -2(%rcx),%rcx; jmp *%rcx
	x.start.regs = x.regs()
	r := &x.start.regs
	for i, p := range []*uint64{&r.Rax, &r.Rbx, &r.Rcx, &r.Rdx, &r.Rsi, &r.Rdi, &r.Rbp, &r.R8, &r.R9, &r.R10, &r.R11, &r.R12,
		&r.R13, &r.R14, &r.R15, &r.Fs_base} {
		*p = scratch + scratchSize/4 + uint64(i)*0x640
	}
	r.Rsp, r.Orig_rax, r.Eflags = stackTop, ^uint64(0), 0x202|0x8d5 // all arithmetic flags
	x.victim.fp(unix.PTRACE_GETFPREGS, &x.start.fp)
	for i := 160; i < 160+256; i++ { // xmm registers
		x.start.fp[i] = byte(random.Uint32())
	}
	for i := range 8 { // x87: ordinary numbers
		copy(x.start.fp[32+16*i:], []byte{1, 2, 3, 4, 5, 6, 7, 0x80 | byte(i), 0xff, 0x3f})
	}
	x.start.fp[4] = 0xff
	x.pointers = *r
	return x
}

// from runs from an address until the program makes a system call or traps. With
// each it goes step by step, and calls it with the registers before every
// instruction.
func (x *executor) from(addr uint64, each func(*unix.PtraceRegs)) (s state) {
	x.t.Helper()
	x.victim.write(scratch, x.noise)
	r := x.start.regs
	r.Rip = addr
	x.setRegs(&r)
	x.victim.fp(unix.PTRACE_SETFPREGS, &x.start.fp)
	for range 64 {
		if each != nil {
			each(&r)
			s.signal = x.resume(unix.PTRACE_SYSEMU_SINGLESTEP)
			x.steps++
		} else {
			s.signal = x.resume(unix.PTRACE_SYSEMU)
		}
		r = x.regs()
		if s.signal == unix.SIGTRAP && r.Rip != entryServed+1 {
			continue
		}
		s.regs = r
		x.victim.fp(unix.PTRACE_GETFPREGS, &s.fp)
		s.memory = sha256.Sum256(x.victim.read(scratch, scratchSize))
		return s
	}
	x.t.Fatalf("from %#x on: no end", addr)
	return s
}

// check runs one option: the original code, the stub that goes back to the
// site, and the stubs that are served.
func (x *executor) check(p *Plan, o Option, bias uint64) bool {
	x.t.Helper()
	name := func() string { return fmt.Sprintf("site %#x, %v of %v", p.Site, o.Shape, p.Run[o.First]) }
	first := p.Run[o.First].Addr + bias
	before := map[uint64]unix.PtraceRegs{}
	x.index(p, o)
	want := x.from(first, func(r *unix.PtraceRegs) { before[r.Rip] = *r })
	if want.signal == unix.SIGSEGV || want.signal == unix.SIGBUS {
		x.faults++ // it follows a pointer out of the noise
		return true
	}
	if want.signal != unix.SIGTRAP|0x80 || want.regs.Rip != p.Return(bias) {
		x.t.Fatalf("%s: original code ends with %v", name(), &want)
	}
	if o.Folded && want.regs.Orig_rax != uint64(p.Number) {
		x.t.Errorf("%s: number %d, not %d", name(), want.regs.Orig_rax, p.Number)
	}
	dest, stubAt, undo, ok := x.place(o, bias)
	if !ok {
		return false
	}
	defer undo()
	patch, err := p.Patch(o, bias, dest)
	if err != nil {
		x.t.Fatal(err)
	}
	if have := x.victim.read(patch.Keep.Start, int(patch.Keep.End-patch.Keep.Start)); !bytes.Equal(have, p.Code(patch, bias)) {
		x.t.Fatalf("%s: %x is not the file's code", name(), have)
	}
	x.stubs[o.Shape]++
	for _, spec := range []StubSpec{
		{Addr: stubAt, Entry: entryBack}, {Addr: stubAt, Entry: entryServed}, {Addr: stubAt, Entry: entryServed, Fold: true},
	} {
		stub, err := p.Stub(o, bias, spec)
		if err != nil {
			x.t.Fatal(err)
		}
		x.victim.write(stub.Addr, stub.Code)
		x.apply(p, patch)
		steps := stub.Steps
		each := func(r *unix.PtraceRegs) {
			if len(steps) == 0 || r.Rip != stub.Addr+uint64(steps[0].Off) {
				return
			}
			was := before[steps[0].Addr]
			if was.Rip = r.Rip; was != *r {
				x.t.Errorf("%s: step %+v: %+v, not %+v", name(), steps[0], *r, was)
			}
			steps = steps[1:]
		}
		if spec.Entry != entryBack {
			each, steps = nil, nil // one walk is enough
		}
		got := x.from(first, each)
		x.revert(patch)
		if len(steps) != 0 {
			x.t.Errorf("%s: did not come by %+v", name(), steps)
		}
		expect := want
		if spec.Entry == entryServed {
			// At the entry: what the kernel would see, rcx included.
			expect.signal, expect.regs.Rip = unix.SIGTRAP, entryServed+1
			expect.regs.Rax, expect.regs.Orig_rax = want.regs.Orig_rax, ^uint64(0)
			expect.regs.R11 = got.regs.R11
			if spec.Fold {
				expect.regs.Rax = got.regs.Rax
			}
		}
		if got != expect {
			x.t.Errorf("%s at %#x, %+v:\n got %v\nwant %v\nstub %x", name(), p.Run[o.First].Addr, spec, &got, &expect, stub.Code)
		}
	}
	return true
}

// index makes registers small that a run multiplies, and all others pointers.
func (x *executor) index(p *Plan, o Option) {
	x.start.regs = x.pointers
	r := &x.start.regs
	at := map[x86asm.Reg]*uint64{x86asm.RAX: &r.Rax, x86asm.RBX: &r.Rbx, x86asm.RCX: &r.Rcx, x86asm.RDX: &r.Rdx,
		x86asm.RSI: &r.Rsi, x86asm.RDI: &r.Rdi, x86asm.RBP: &r.Rbp, x86asm.R8: &r.R8, x86asm.R9: &r.R9, x86asm.R10: &r.R10,
		x86asm.R11: &r.R11, x86asm.R12: &r.R12, x86asm.R13: &r.R13, x86asm.R14: &r.R14, x86asm.R15: &r.R15}
	for _, in := range p.Run[o.First:] {
		d, _ := decode(in.Bytes)
		for _, a := range d.Args {
			if m, ok := a.(x86asm.Mem); ok && at[m.Index] != nil {
				*at[m.Index] = 3
			}
		}
	}
}

// place maps memory for a stub where an option wants it.
func (x *executor) place(o Option, bias uint64) (dest, stub uint64, undo func(), ok bool) {
	var mapped []Range
	undo = func() {
		for _, r := range mapped {
			x.munmap(r)
		}
	}
	find := func(w Window) (uint64, bool) {
		w.First = max(w.First, 2*victimAddr)
		if w.Empty() {
			return 0, false
		}
		span := w.Last - w.First
		for _, at := range []uint64{w.First, w.Last, w.First + span/2, w.First + span/3, w.First + span*2/3, w.Last - span/8} {
			page := at &^ (pageSize - 1)
			if r := (Range{page, page + 2*pageSize}); x.mmap(r) {
				mapped = append(mapped, r)
				return at, true
			}
		}
		return 0, false
	}
	if stub, ok = find(o.Stub(bias)); !ok || !o.indirect() {
		return stub, stub, undo, ok
	}
	if dest, ok = find(o.Dest(bias)); ok {
		x.victim.write(dest, le.AppendUint64(nil, stub))
		return dest, stub, undo, true
	}
	undo()
	return 0, 0, undo, false
}

func (x *executor) apply(p *Plan, patch Patch) {
	for _, w := range patch.Writes {
		if !bytes.Equal(x.victim.read(w.Addr, len(w.Old)), w.Old) {
			x.t.Fatalf("site %#x: other code at %#x: %x, not %x; %+v", p.Site, w.Addr, x.victim.read(w.Addr, len(w.Old)), w.Old, patch)
		}
		x.victim.write(w.Addr, w.New)
	}
}

func (x *executor) revert(patch Patch) {
	for _, w := range patch.Writes {
		x.victim.write(w.Addr, w.Old)
	}
}
