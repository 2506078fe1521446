package site

import (
	"bytes"
	"slices"
	"sync"

	"golang.org/x/arch/x86/x86asm"
)

// How far back a run goes. A longer one makes stubs longer and finds nothing.
const (
	maxRun      = 6
	maxRunBytes = 48
	// maxBefore is how far back a constant number is looked for.
	maxBefore = 64
	// maxBehind is how far the flags are followed behind the site.
	maxBehind = 16
)

var syscallInsn = []byte{0x0f, 0x05}

// An analysis is what one site's plan is made from.
type analysis struct {
	site uint64
	seg  *segment
	fn   Function
	code []byte // the function's
	body *body
	at   int // index of the site in body.insns

	plan    *Plan
	decoded []x86asm.Inst // of plan.Run
	inside  bool          // a branch leads into an instruction of the run
	// padding gives unused bytes near the site, frames how they are unwound.
	padding func() []Range
	frames  *frames
}

// Analyze decides how the site at an address, as linked, can be patched. The
// error is a [*Refusal].
func (f *File) Analyze(site uint64) (*Plan, error) {
	a, err := f.locate(site, nil)
	if err != nil {
		return nil, err
	}
	for _, w := range f.symbols().windows() {
		if w.contains(site) {
			return f.cancelWindow(a)
		}
	}
	plan, err := a.run()
	if r, ok := err.(*Refusal); ok && r.Reason == CancelWindow {
		return f.cancelWindow(a)
	}
	return plan, err
}

// Sites returns the addresses of all `syscall` instructions in the file's
// functions, in order.
func (f *File) Sites() []uint64 {
	var sites []uint64
	var last *analysis
	for i := range f.segments {
		s := &f.segments[i]
		if !s.code() {
			continue
		}
		for off := 0; ; off += 2 {
			n := bytes.Index(s.bytes[off:], syscallInsn)
			if n < 0 {
				break
			}
			off += n
			a, err := f.locate(s.addr+uint64(off), last)
			if last = a; err == nil {
				sites = append(sites, a.site)
			} else {
				off--
			}
		}
	}
	slices.Sort(sites)
	return slices.Compact(sites)
}

// locate decodes the function that a site stands in, and finds the site among
// its instructions. The analysis of a site in the same function saves the
// decoding.
func (f *File) locate(site uint64, last *analysis) (*analysis, error) {
	a := &analysis{site: site, seg: f.segment(site)}
	if a.seg == nil || !a.seg.code() {
		return a, a.refuse(NotCode, "")
	}
	if !bytes.HasPrefix(a.seg.bytes[site-a.seg.addr:], syscallInsn) {
		return a, a.refuse(NotSyscall, "")
	}
	var ok bool
	if a.fn, ok = f.Function(site); !ok {
		return a, a.refuse(UnknownStart, "")
	}
	if a.fn.End-a.fn.Start > maxFunction {
		return a, a.refuse(TooLong, a.fn.Name)
	}
	a.code = a.seg.bytes[a.fn.Start-a.seg.addr : a.fn.End-a.seg.addr]
	if last != nil && last.fn == a.fn && last.body != nil {
		a.body = last.body
	} else {
		a.body = decodeBody(a.code, a.fn.Start)
	}
	if a.at, ok = a.body.find(site); !ok || a.body.insns[a.at].flow != flowSyscall {
		return a, a.refuse(NotReached, a.fn.Name)
	}
	a.padding, a.frames = sync.OnceValue(func() []Range { return f.padding(a) }), f.frames
	return a, nil
}

func (a *analysis) refuse(r Reason, detail string) error {
	return &Refusal{Site: a.site, Reason: r, Detail: detail}
}

func (a *analysis) run() (*Plan, error) {
	a.plan = &Plan{Site: a.site, Function: a.fn, Number: a.number()}
	a.plan.FlagsDead = a.flagsDead()
	a.plan.Entered = a.body.entered(a.site, a.site+1)
	switch name := neverFunction(a.fn.Name); {
	case a.fn.signal:
		return nil, a.refuse(SignalReturn, a.fn.Name)
	case Never(a.plan.Number):
		return nil, a.refuse(NeverCall, neverCall(a.plan.Number))
	case name != 0:
		return nil, a.refuse(name, a.fn.Name)
	case isCancelWindow(a.code, a.fn.Start, a.body, a.at):
		return nil, a.refuse(CancelWindow, a.fn.Name)
	}
	if err := a.straight(); err != nil {
		return nil, err
	}
	a.keepCode()
	a.options()
	if len(a.plan.Options) == 0 {
		if a.inside {
			return nil, a.refuse(BranchInside, "")
		}
		return nil, a.refuse(NoShape, a.plan.Run[len(a.plan.Run)-1].String())
	}
	return a.plan, nil
}

// straight collects the run: what stands before the site, is executed before
// it, and may be executed elsewhere.
func (a *analysis) straight() error {
	var stopped error
	i, ok := a.body.before(a.at)
	if !ok {
		return a.refuse(NoPredecessor, "")
	}
	unused := a.body.padding(true)
	for ; ok && len(a.plan.Run) < maxRun; i, ok = a.body.before(i) {
		n := a.body.insns[i]
		if a.site-n.addr > maxRunBytes {
			break
		}
		if slices.ContainsFunc(unused, func(r Range) bool { return r.contains(n.addr) }) {
			stopped = a.refuse(NoPredecessor, "")
			break
		}
		bytes := a.code[n.addr-a.fn.Start:][:n.size]
		d, known := decode(bytes)
		text := Insn{Addr: n.addr, Bytes: bytes}.String()
		if !known || n.flow != flowNext || !movable(&d) {
			stopped = a.refuse(Immovable, text)
			break
		}
		if a.fn.Source == FromGolang && mayFault(&d) {
			// Go makes a panic of a nil dereference, by its address.
			stopped = a.refuse(MayFault, text)
			break
		}
		a.plan.Run = append(a.plan.Run, describe(&d, n, bytes))
		a.decoded = append(a.decoded, d)
	}
	slices.Reverse(a.plan.Run)
	slices.Reverse(a.decoded)
	if len(a.plan.Run) == 0 {
		return stopped
	}
	return nil
}

func describe(d *x86asm.Inst, n insn, code []byte) Insn {
	in := Insn{Addr: n.addr, Bytes: slices.Clone(code)}
	if d.PCRel == 4 && d.PCRelOff > 0 {
		in.pcrel, in.lea = d.PCRelOff, d.Op == x86asm.LEA
		in.ref = n.end() + uint64(int64(int32(le.Uint32(code[d.PCRelOff:]))))
		in.dst, _ = d.Args[0].(x86asm.Reg)
	}
	if dst, ok := d.Args[0].(x86asm.Reg); ok && d.Op == x86asm.MOV && (dst == x86asm.EAX || dst == x86asm.RAX) {
		_, in.number = d.Args[1].(x86asm.Imm)
	}
	in.usesRAX = usesRAX(d)
	return in
}

// number follows constants through the straight-line code before the site.
func (a *analysis) number() int {
	first := a.at
	for i, ok := a.body.before(a.at); ok && a.at-i <= maxBefore; i, ok = a.body.before(i) {
		if f := a.body.insns[i].flow; f != flowNext && f != flowBranch {
			break
		}
		first = i
	}
	c := constants{}
	for _, n := range a.body.insns[first:a.at] {
		if n.flow == flowNext {
			d, _ := decode(a.code[n.addr-a.fn.Start:])
			c.step(&d)
		}
	}
	if v, ok := c[x86asm.RAX]; ok && uint64(uint32(v)) < 1<<30 {
		return int(uint32(v)) // the kernel looks at 32 bits
	}
	return -1
}

func (a *analysis) flagsDead() bool {
	for i := a.at + 1; i < len(a.body.insns) && i <= a.at+maxBehind; i++ {
		n := a.body.insns[i]
		if n.flow != flowNext || n.addr != a.body.insns[i-1].end() {
			return false
		}
		d, _ := decode(a.code[n.addr-a.fn.Start:])
		switch m := meaningOf(d.Op); {
		case m&setsFlags != 0:
			return true
		case m&keepsFlags == 0:
			return false
		}
	}
	return false
}

// keepCode copies the aligned words around the run and the site, as far as the
// segment has them.
func (a *analysis) keepCode() {
	lo := max((a.plan.Run[0].Addr-relayReach)&^7, a.seg.addr)
	hi := min((a.site+relayReach+8)&^7, a.seg.end())
	a.plan.codeAddr, a.plan.code = lo, slices.Clone(a.seg.bytes[lo-a.seg.addr:hi-a.seg.addr])
}
