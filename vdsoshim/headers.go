package vdsoshim

import (
	"iter"

	"github.com/sysreflect/sysreflect/internal/elf"
)

// setDynamic changes entries of our image's dynamic segment. Their order and
// number stay.
func setDynamic(image []byte, values map[elf.DynTag]uint64) {
	for d := dynamicRoom.in(image); len(d) >= 16; d = d[16:] {
		if v, ok := values[elf.DynTag(le.Uint64(d))]; ok {
			le.PutUint64(d[8:], v)
		}
	}
}

// sectionHeaders yields our image's section headers, to read and change.
// Loaders don't look at them; debuggers do.
func sectionHeaders(image []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		off, count := le.Uint64(image[40:]), uint64(le.Uint16(image[60:]))
		for i := range count {
			if !yield(image[off+shdrSize*i:][:shdrSize]) {
				return
			}
		}
	}
}

// setSections sets the sizes of the sections that begin at the given offsets.
func setSections(image []byte, sizes map[uint64]uint64) {
	for sh := range sectionHeaders(image) {
		if n, ok := sizes[le.Uint64(sh[16:])]; ok {
			le.PutUint64(sh[32:], n) // sh_size
		}
	}
}

// sectionOf returns the index of the section that an offset lies in.
func sectionOf(image []byte, off uint64) elf.SectionIndex {
	i := 0
	for sh := range sectionHeaders(image) {
		addr, size := le.Uint64(sh[16:]), le.Uint64(sh[32:])
		if addr != 0 && off >= addr && off-addr < size {
			return elf.SectionIndex(i)
		}
		i++
	}
	return elf.SHN_ABS
}

// A note is one entry of a note segment.
type note struct {
	name string // without its terminating zero
	raw  []byte // header, name and contents, padded
}

// notes returns the image's notes, as far as they are well formed.
func (m *Image) notes() []note {
	var out []note
	for _, p := range m.segments {
		if p.Type != elf.PT_NOTE {
			continue
		}
		b, ok := m.at(p.Vaddr)
		if !ok || uint64(len(b)) < p.Filesz {
			continue
		}
		for b = b[:p.Filesz]; len(b) >= 12; {
			name, desc := uint64(le.Uint32(b)), uint64(le.Uint32(b[4:]))
			size := 12 + (name+3)&^3 + (desc+3)&^3
			if size > uint64(len(b)) || name == 0 {
				break
			}
			out = append(out, note{string(b[12 : 12+name-1]), b[:size]})
			b = b[size:]
		}
	}
	return out
}

// setNotes puts the kernel's notes about itself behind the image's own: C
// libraries up to glibc 2.35 look there for the kernel's version. A build id
// is not taken over, since this is another image.
func setNotes(image []byte, kernel *Image) error {
	own := &Image{data: image} // nothing else of it is asked for
	if err := own.readSegments(); err != nil {
		return err
	}
	var content []byte
	for _, n := range own.notes() {
		content = append(content, n.raw...)
	}
	for _, n := range kernel.notes() {
		if n.name == "Linux" && uint64(len(content)+len(n.raw)) <= noteRoom.size {
			content = append(content, n.raw...)
		}
	}
	if err := fill(noteRoom, image, content); err != nil {
		return err
	}
	setSections(image, map[uint64]uint64{noteRoom.off: uint64(len(content))})
	off, count := le.Uint64(image[32:]), uint64(le.Uint16(image[56:]))
	for i := range count {
		ph := image[off+phdrSize*i:]
		if elf.ProgType(le.Uint32(ph)) == elf.PT_NOTE {
			le.PutUint64(ph[32:], uint64(len(content)))
			le.PutUint64(ph[40:], uint64(len(content)))
		}
	}
	return nil
}
