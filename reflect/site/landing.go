package site

import "fmt"

// A Landing is where an option's jump leads while a breakpoint stands in it: where
// the jump's operand ends in instructions that stay, a debugger that puts a breakpoint
// on one of these changes the operand as well. The code there does what the program
// would have done up to the breakpoint, and goes there.
type Landing struct {
	Addr uint64 // in the process
	Code []byte
}

const breakpoint = 0xcc // int3

// Landings returns all landings of an option whose jump leads to a stub. None is
// needed for most. An error means that one would stand where nothing can.
func (p *Plan) Landings(o Option, bias uint64, s StubSpec) ([]Landing, error) {
	starts := p.shared(o)
	if len(starts) == 0 {
		return nil, nil
	}
	jump := p.Run[o.First].Addr
	if o.Shape != Direct {
		return nil, fmt.Errorf("site %#x: a breakpoint would lead %v jump astray", p.Site, o.Shape)
	}
	operand := jump + uint64(o.prefixes) + uint64(len(jmpRel))
	next := operand + 4
	var code [4]byte
	le.PutUint32(code[:], uint32(s.Addr-bias-next))
	var out []Landing
	for set := 1; set < 1<<len(starts); set++ {
		broken, first := code, len(starts)
		for i := len(starts) - 1; i >= 0; i-- {
			if set>>i&1 != 0 {
				broken[starts[i]-operand], first = breakpoint, i
			}
		}
		l := Landing{Addr: next + bias + uint64(int64(int32(le.Uint32(broken[:]))))}
		if l.Addr > userTop {
			return nil, fmt.Errorf("site %#x: a breakpoint would lead %v jump to %#x", p.Site, o.Shape, l.Addr)
		}
		var err error
		if l.Code, err = p.landing(o, bias, starts[first], s.at(l.Addr)); err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

// shared are the instructions, besides the replaced one, that begin in the operand of
// an option's jump.
func (p *Plan) shared(o Option) (starts []uint64) {
	if o.Shape == Call {
		return nil // lies in one instruction
	}
	n := p.Run[o.First]
	stays, limit := n.Addr+uint64(o.written), n.Addr+uint64(o.prefixes)+4
	switch o.Shape {
	case Direct:
		limit += uint64(len(jmpRel))
	case Indirect:
		limit += uint64(len(jmpAbs))
	default:
		return nil // all of it is written
	}
	within := func(addr uint64) {
		if addr >= stays && addr < limit {
			starts = append(starts, addr)
		}
	}
	for _, n := range p.Run[o.First+1:] {
		within(n.Addr)
	}
	end, behind := p.end()
	within(end)
	within(behind)
	return starts
}

// landing is the code for a breakpoint at an address.
func (p *Plan) landing(o Option, bias, at uint64, s StubSpec) ([]byte, error) {
	if end, _ := p.end(); at > end {
		// Behind the call: that is made as ever.
		stub, err := p.stub(o, bias, s)
		return stub.Code, err
	}
	var code []byte
	for i := o.First; i < len(p.Run) && p.Run[i].Addr < at; i++ {
		var err error
		if code, err = p.Run[i].relocate(code, s.Addr, bias); err != nil {
			return nil, fmt.Errorf("site %#x: landing at %#x: %w", p.Site, s.Addr, err)
		}
	}
	// Not by r11, which the program may still use.
	const size = 5
	d, ok := displacement(s.Addr+uint64(len(code)+size), at+bias)
	if !ok {
		return nil, fmt.Errorf("site %#x: landing at %#x: more than 2 GiB away", p.Site, s.Addr)
	}
	return le.AppendUint32(append(code, jmpRel...), d), nil
}
