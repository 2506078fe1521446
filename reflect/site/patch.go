package site

import (
	"bytes"
	"fmt"
	"slices"
)

// A Write replaces bytes in a process. It must find the old ones there.
type Write struct {
	Addr     uint64 // in the process
	Old, New []byte // of the same length

	around     []byte // the file's bytes in the aligned words that are touched, if it has all
	aroundAddr uint64
}

// Word widens a write to the one aligned word of 8 bytes that it lies in, so
// that it can be made by one store; false if it lies in two. The bytes around
// it are the file's: in a process they may hold another patch, and must be
// taken from there.
func (w Write) Word() (addr uint64, old, now [8]byte, ok bool) {
	if w.Addr&^7 != (w.Addr+uint64(len(w.New))-1)&^7 || len(w.around) != 8 {
		return 0, old, now, false
	}
	copy(old[:], w.around)
	now = old
	copy(now[w.Addr-w.aroundAddr:], w.New)
	return w.aroundAddr, old, now, true
}

// A Patch is what an option comes to in one process.
type Patch struct {
	// Writes in the order in which they must be made. To take the patch back
	// the last one is undone; the others, and the stub, must stay as long as
	// a thread may be on the way.
	Writes []Write

	// Keep is the code that the patch relies on: the displaced instructions,
	// the `syscall` instruction, and what else is part of the jump.
	Keep Range
}

// Conflicts tells whether one patch writes what the other relies on.
func (p Patch) Conflicts(q Patch) bool { return p.disturbs(q) || q.disturbs(p) }

func (p Patch) disturbs(q Patch) bool {
	for _, w := range p.Writes {
		r := Range{w.Addr, w.Addr + uint64(len(w.New))}
		if r.overlaps(q.Keep) {
			return true
		}
		for _, v := range q.Writes {
			if r.overlaps(Range{v.Addr, v.Addr + uint64(len(v.New))}) {
				return true
			}
		}
	}
	return false
}

// Patch makes an option's writes. dest is the stub's address, or for the
// indirect shapes that of the 8 bytes that hold it, in the process.
func (p *Plan) Patch(o Option, bias, dest uint64) (Patch, error) {
	if !o.Dest(bias).Contains(dest) {
		return Patch{}, fmt.Errorf("site %#x: %v jump can't lead to %#x", p.Site, o.Shape, dest)
	}
	if o.Shape == Call {
		return p.callPatch(o, bias, dest)
	}
	start := p.Run[o.First].Addr
	var jump, relay []byte
	switch o.Shape {
	case Direct, Indirect:
		jump = assemble(o.Shape, int(o.prefixes), start+bias, dest)
	case Relay, IndirectRelay:
		relay = assemble(o.Shape, 0, o.Padding.Start+bias, dest)
		jump = append(bytes.Repeat([]byte{padRel}, int(o.prefixes)), jmpShort,
			byte(o.Padding.Start-start-uint64(o.written)))
	}
	_, behind := p.end()
	patch := Patch{Keep: Range{start + bias, max(start+uint64(len(jump)), behind) + bias}}
	if relay != nil {
		w, err := p.write(o.Padding.Start, relay, bias)
		if err != nil {
			return Patch{}, err
		}
		patch.Writes = append(patch.Writes, w)
	}
	// The rest of the jump is there already: Option.Dest saw to that.
	w, err := p.write(start, jump[:o.written], bias)
	if err != nil {
		return Patch{}, err
	}
	if rest, ok := p.bytes(start+uint64(o.written), len(jump)-int(o.written)); !ok || !bytes.Equal(rest, jump[o.written:]) {
		return Patch{}, fmt.Errorf("site %#x: %v jump to %#x doesn't end as the code does", p.Site, o.Shape, dest)
	}
	patch.Writes = append(patch.Writes, w)
	return patch, nil
}

// callPatch leads a call elsewhere: only its operand is written, or the part of it in
// one word.
func (p *Plan) callPatch(o Option, bias, dest uint64) (Patch, error) {
	at := p.window.call
	operand := le.AppendUint32(nil, uint32(dest-(at+bias+5)))
	if rest, ok := p.bytes(at+1+uint64(o.written), len(operand)-int(o.written)); !ok || !bytes.Equal(rest, operand[o.written:]) {
		return Patch{}, fmt.Errorf("site %#x: a call to %#x doesn't end as the code does", p.Site, dest)
	}
	w, err := p.write(at+1, operand[:o.written], bias)
	return Patch{Writes: []Write{w}, Keep: Range{at + bias, at + 5 + bias}}, err
}

// assemble makes a jump that begins at an address with prefixes.
func assemble(s Shape, prefixes int, at, dest uint64) []byte {
	if s == Direct || s == Relay {
		b := append(bytes.Repeat([]byte{padRel}, prefixes), jmpRel...)
		return le.AppendUint32(b, uint32(dest-at-uint64(len(b))-4))
	}
	b := append(bytes.Repeat([]byte{padAbs}, prefixes), jmpAbs...)
	return le.AppendUint32(b, uint32(dest))
}

func (p *Plan) write(addr uint64, now []byte, bias uint64) (Write, error) {
	old, ok := p.bytes(addr, len(now))
	if !ok {
		return Write{}, fmt.Errorf("site %#x: no code at %#x", p.Site, addr)
	}
	w := Write{Addr: addr + bias, Old: slices.Clone(old), New: now, aroundAddr: (addr + bias) &^ 7}
	if around, ok := p.bytes(addr&^7, int((addr+uint64(len(now))+7)&^7-addr&^7)); ok {
		w.around = around
	}
	return w, nil
}

// Code returns what the file has in a patch's Keep and must be found in the
// process before it is patched.
func (p *Plan) Code(patch Patch, bias uint64) []byte {
	b, _ := p.bytes(patch.Keep.Start-bias, int(patch.Keep.End-patch.Keep.Start))
	return slices.Clone(b)
}
