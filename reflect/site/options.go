package site

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"golang.org/x/arch/x86/x86asm"
)

// The jumps: opcode, followed by 32 bits.
var (
	jmpRel = []byte{0xe9}             // relative to what follows
	jmpAbs = []byte{0xff, 0x24, 0x25} // address of 8 bytes, sign-extended
)

const (
	// Prefixes that jumps ignore: a jump becomes as long as the instruction
	// that it replaces, so that those who decode the function later stay in
	// step. Compilers and the kernel use them so.
	padRel = 0x2e // `cs jmp`
	padAbs = 0x3e // `notrack jmp`

	jmpShort      = 0xeb
	jmpShortBytes = 2
	// relayReach is how far padding may be from a site.
	relayReach = 160
	// nearRelays is how many places in padding are offered for an instruction.
	nearRelays = 4
	// slack keeps what a stub refers to within 2 GiB of all of the stub.
	slack = 4096
)

// options finds the jumps that can replace an instruction of the run, and puts
// them in order.
func (a *analysis) options() {
	for first := len(a.plan.Run) - 1; first >= 0; first-- {
		n := a.plan.Run[first]
		if a.body.split(insn{addr: n.Addr, size: uint8(len(n.Bytes))}) {
			a.inside = true
			continue
		}
		o := a.common(first)
		if o.stubLo > o.stubHi {
			continue
		}
		line := min(n.end(), n.Addr&^7+8)
		_, o.Online = a.plan.bytes(n.Addr&^7, 8) // not in a file's last few bytes
		a.jumps(o, line)
		a.relays(o, line)
		if line < n.end() {
			o.Online = false
			a.jumps(o, n.end())
			if line < n.Addr+jmpShortBytes {
				a.relays(o, n.end())
			}
		}
		if slices.ContainsFunc(a.plan.Options, func(o Option) bool {
			return o.Shape == Direct && o.Online && !o.Bypassed && o.written-o.prefixes >= 5
		}) {
			break // whatever needs a longer run is worse
		}
	}
	slices.SortStableFunc(a.plan.Options, func(x, y Option) int {
		return cmp.Or(last(!x.Online, !y.Online), last(x.Bypassed, y.Bypassed), last(x.Faults, y.Faults),
			last(x.Misleads, y.Misleads),
			-cmp.Compare(bits.Len64(x.Size())/8, bits.Len64(y.Size())/8),
			-cmp.Compare(x.First, y.First), cmp.Compare(x.Shape, y.Shape))
	})
}

// last orders false before true.
func last(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return 1
	}
	return -1
}

// common is what all options have that replace one instruction.
func (a *analysis) common(first int) Option {
	run := a.plan.Run
	o := Option{First: first, Bypassed: a.body.entered(run[first].Addr+1, a.site+1)}
	for i := first; i < len(run); i++ {
		o.Faults = o.Faults || mayFault(&a.decoded[i])
		if !run[i].lea && run[i].pcrel > 0 {
			lo, hi := int64(run[i].ref)-math.MaxInt32+slack, int64(run[i].ref)+math.MaxInt32-slack
			if o.stubLo == 0 && o.stubHi == 0 {
				o.stubLo, o.stubHi = lo, hi
			}
			o.stubLo, o.stubHi = max(o.stubLo, lo), min(o.stubHi, hi)
		}
	}
	c := constants{}
	for i := first; i < len(run); i++ {
		c.step(&a.decoded[i])
	}
	_, o.Folded = c[x86asm.RAX]
	return o
}

// jumps adds the jumps in place whose written bytes end at or before limit.
// Where these are not enough for the operand, the rest of it is what stands
// there, the `syscall` instruction above all: fewer destinations, but no byte
// of it changes.
func (a *analysis) jumps(o Option, limit uint64) {
	n := a.plan.Run[o.First]
	for _, form := range []struct {
		shape  Shape
		opcode []byte
	}{{Direct, jmpRel}, {Indirect, jmpAbs}} {
		for k := uint64(0); ; k++ {
			operand := n.Addr + k + uint64(len(form.opcode))
			if operand >= limit {
				break
			}
			free := min(4, limit-operand)
			if rest := limit - operand - free; rest > 0 && limit == n.end() {
				continue // until the jump is as long as the instruction
			}
			o.Shape, o.prefixes = form.shape, uint8(k)
			o.written = uint8(operand + free - n.Addr)
			if a.bound(&o, operand, int(free)) {
				a.plan.Options = append(a.plan.Options, o)
			}
			if free == 4 {
				break
			}
		}
	}
}

// bound sets an option's destinations: of the operand, the first bytes are
// free.
func (a *analysis) bound(o *Option, operand uint64, free int) bool {
	have, ok := a.plan.bytes(operand, 4)
	if !ok {
		return false
	}
	mask := uint32(1<<(8*free) - 1)
	fixed := le.Uint32(have) &^ mask
	lo, hi := int64(int32(fixed)), int64(int32(fixed|mask))
	if free == 4 {
		lo, hi = math.MinInt32, math.MaxInt32
	}
	if o.Shape == Direct || o.Shape == Call {
		o.lo, o.hi = int64(operand)+4+lo, int64(operand)+4+hi
		return true
	}
	o.lo, o.hi = max(lo, 0), min(hi, math.MaxInt32-7)
	return o.lo <= o.hi
}

// relays adds short jumps to padding.
func (a *analysis) relays(o Option, limit uint64) {
	n := a.plan.Run[o.First]
	if n.Addr+jmpShortBytes > limit {
		return
	}
	o.prefixes = 0
	if limit == n.end() {
		o.prefixes = uint8(len(n.Bytes) - jmpShortBytes)
	}
	o.written = o.prefixes + jmpShortBytes
	from := int64(n.Addr) + int64(o.written)
	var near []Range
	for _, r := range a.padding() {
		for ; r.End-r.Start >= uint64(len(jmpRel)+4); r.Start += uint64(len(jmpRel) + 4) {
			if d := int64(r.Start) - from; d >= math.MinInt8 && d <= math.MaxInt8 {
				near = append(near, r)
			}
		}
	}
	distance := func(r Range) int64 { d := int64(r.Start) - from; return max(d, -d) }
	misleads := func(r Range) bool { return !a.frames.sameCaller(n.Addr, r.Start) }
	slices.SortStableFunc(near, func(x, y Range) int {
		return cmp.Or(last(misleads(x), misleads(y)), cmp.Compare(distance(x), distance(y)))
	})
	for _, r := range near[:min(len(near), nearRelays)] {
		o.Misleads = misleads(r)
		o.Shape, o.Padding = Relay, Range{r.Start, r.Start + uint64(len(jmpRel)) + 4}
		o.lo, o.hi = int64(o.Padding.End)+math.MinInt32, int64(o.Padding.End)+math.MaxInt32
		a.plan.Options = append(a.plan.Options, o)
		o.Shape, o.Padding.End = IndirectRelay, r.Start+uint64(len(jmpAbs))+4
		if o.Padding.End <= r.End {
			o.lo, o.hi = 0, math.MaxInt32-7
			a.plan.Options = append(a.plan.Options, o)
		}
	}
}

// bytes returns what the file has at an address near the site.
func (p *Plan) bytes(addr uint64, n int) ([]byte, bool) {
	if addr < p.codeAddr {
		return nil, false
	}
	return part(p.code, addr-p.codeAddr, uint64(n))
}
