package vdsoshim

import (
	"cmp"
	"slices"

	"github.com/sysreflect/sysreflect/internal/elf"
)

// pcRelative is DW_EH_PE_pcrel | DW_EH_PE_sdata4, the one encoding of addresses that
// kernels use in unwind tables.
const pcRelative = 0x1b

// moveKernel has the handoff move the kernel's vDSO into the region, next to its data, and makes the
// image's unwind tables describe the functions there: unwinders find an object by its extent, and
// the one that they know is the image. Where the tables can't be read, or have no room, all stays
// where it is.
func (c *completion) moveKernel() {
	if len(c.o.Data) == 0 || len(c.o.Data) >= maxMoved {
		return
	}
	mappings := make([]uint32, maxMoved-1-len(c.o.Data), maxMoved)
	all := uint64(0)
	for _, n := range c.o.Data {
		mappings = append(mappings, uint32(n))
		all += n
	}
	at := KernelOff + all
	if all+c.o.Kernel.Size() > KernelRoom || !c.addFrames(at) {
		return
	}
	for i, n := range append(mappings, uint32(c.o.Kernel.Size())) {
		le.PutUint32(c.image[planOff+planMoved+4*uint64(i):], n)
	}
}

// A moved frame is an entry of the sorted table: a function's address and that of what describes it.
type movedFrame struct{ function, entry uint64 }

// addFrames copies the kernel's unwind tables behind the image's own, for an image at that offset of
// the region.
func (c *completion) addFrames(kernel uint64) bool {
	own := frameRoom.in(c.image)
	used := uint64(0)
	for n := le.Uint32(own); n != 0; n = le.Uint32(own[used:]) {
		used += 4 + uint64(n)
	}
	copied, frames, ok := c.o.Kernel.framesAt(kernel, frameRoom.off+used)
	const end = 4 // a length of 0
	count := uint64(le.Uint32(frameTableRoom.in(c.image)[8:]))
	table := 12 + 8*count
	if !ok || used+uint64(len(copied))+end > frameRoom.size || table+8*uint64(len(frames)) > frameTableRoom.size {
		return false
	}
	copy(own[used:], copied)
	rows := frameTableRoom.in(c.image)[table:]
	for i, f := range frames { // all of the image's own are before them
		le.PutUint32(rows[8*i:], uint32(f.function-frameTableRoom.off))
		le.PutUint32(rows[8*i+4:], uint32(f.entry-frameTableRoom.off))
	}
	le.PutUint32(frameTableRoom.in(c.image)[8:], uint32(count)+uint32(len(frames)))
	setSections(c.image, map[uint64]uint64{
		frameRoom.off:      used + uint64(len(copied)) + end,
		frameTableRoom.off: table + 8*uint64(len(frames)),
	})
	return true
}

// framesAt returns the image's unwind tables (.eh_frame, LSB core) as they must be at offset at of a
// region that has the image's first byte at offset first; and what they describe, sorted. ok is false
// where there is anything that we don't know.
func (m *Image) framesAt(first, at uint64) (out []byte, frames []movedFrame, ok bool) {
	begin, count, ok := m.frameHeader()
	if !ok {
		return nil, nil, false
	}
	b, ok := m.at(begin)
	if !ok {
		return nil, nil, false
	}
	commons := map[uint64]uint64{} // common information: where it was, and where it is in out
	for pos := uint64(0); len(frames) < count; {
		if uint64(len(b)) < pos+8 {
			return nil, nil, false
		}
		size := 4 + uint64(le.Uint32(b[pos:]))
		if size < 16 || size > uint64(len(b))-pos {
			return nil, nil, false
		}
		to := uint64(len(out))
		out = append(out, b[pos:pos+size]...)
		record := out[to:]
		id := uint64(le.Uint32(record[4:]))
		if id == 0 {
			if !plainCommon(record) {
				return nil, nil, false
			}
			commons[pos] = to
			pos += size
			continue
		}
		common, known := commons[pos+4-id]
		if !known || size < 17 {
			return nil, nil, false
		}
		// Both are relative to where they stand.
		le.PutUint32(record[4:], uint32(to+4-common))
		function := begin + pos + 8 + uint64(int64(int32(le.Uint32(record[8:])))) - m.bias
		if function >= m.Size() {
			return nil, nil, false
		}
		le.PutUint32(record[8:], uint32(first+function-(at+to+8)))
		frames = append(frames, movedFrame{first + function, at + to})
		pos += size
	}
	slices.SortFunc(frames, func(a, b movedFrame) int { return cmp.Compare(a.function, b.function) })
	return out, frames, true
}

// frameHeader finds the unwind tables, and how many functions they describe (.eh_frame_hdr).
func (m *Image) frameHeader() (begin uint64, count int, ok bool) {
	for _, p := range m.segments {
		if p.Type != elf.PT_GNU_EH_FRAME {
			continue
		}
		const udata4 = 3
		b, ok := m.at(p.Vaddr)
		if !ok || len(b) < 12 || b[0] != 1 || b[1] != pcRelative || b[2] != udata4 {
			return 0, 0, false
		}
		n := le.Uint32(b[8:])
		return p.Vaddr + 4 + uint64(int64(int32(le.Uint32(b[4:])))), int(n), n > 0 && n <= maxImage
	}
	return 0, 0, false
}

// plainCommon reports whether all that is special about common information (CIE) is how addresses are
// encoded, and that as we know it: version 1, augmentation "zR".
func plainCommon(b []byte) bool {
	if b[8] != 1 || string(b[9:12]) != "zR\x00" {
		return false
	}
	b = b[12:]
	for range 2 { // factors of code and data, LEB128
		for len(b) > 0 && b[0]&0x80 != 0 {
			b = b[1:]
		}
		if len(b) == 0 {
			return false
		}
		b = b[1:]
	}
	return len(b) >= 3 && b[1] == 1 && b[2] == pcRelative // behind the return address's column
}
