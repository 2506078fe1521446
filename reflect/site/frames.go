package site

import (
	"cmp"
	"slices"

	"github.com/sysreflect/sysreflect/internal/elf"
)

// frames finds the function of an address by the unwind tables: .eh_frame,
// through the sorted table of .eh_frame_hdr where there is one.
type frames struct {
	file *File

	// The sorted table: pairs of 32 bits, relative to base.
	table []byte
	base  uint64

	// Or, without one, all entries sorted.
	all []frame
}

// A frame is a frame description entry (FDE).
type frame struct {
	start, end uint64
	signal     bool // the frame of a signal handler's caller

	// How the caller is found, for [frame.row].
	initial, program []byte
	codeFactor       uint64
}

// Encodings of pointers (DW_EH_PE_*).
const (
	ehAbs      = 0x00
	ehUdata4   = 0x03
	ehUdata8   = 0x04
	ehSdata4   = 0x0b
	ehSdata8   = 0x0c
	ehPCRel    = 0x10
	ehDataRel  = 0x30
	ehIndirect = 0x80
)

func findFrames(f *File, data []byte, e *elf.File) *frames {
	t := &frames{file: f}
	for _, p := range e.Progs {
		if p.Type != elf.PT_GNU_EH_FRAME {
			continue
		}
		b, ok := f.at(p.Vaddr)
		if !ok || len(b) < 12 || b[0] != 1 || b[2] != ehUdata4 || b[3] != ehDataRel|ehSdata4 || b[1]&0xf != ehSdata4 {
			continue
		}
		if table, ok := part(b, 12, 8*uint64(le.Uint32(b[8:]))); ok && len(table) > 0 {
			t.table, t.base = table, p.Vaddr
			return t
		}
	}
	if s, b := section(data, e, ".eh_frame"); s != nil {
		t.readAll(b, s.Addr)
	}
	return t
}

// readAll walks through a whole .eh_frame.
func (t *frames) readAll(b []byte, addr uint64) {
	for off := uint64(0); off+8 <= uint64(len(b)); {
		size := uint64(le.Uint32(b[off:]))
		if size == 0 || size > uint64(len(b))-off-4 {
			break
		}
		if le.Uint32(b[off+4:]) != 0 {
			if d, ok := t.read(addr + off); ok {
				t.all = append(t.all, d)
			}
		}
		off += 4 + size
	}
	slices.SortFunc(t.all, func(x, y frame) int { return cmp.Compare(x.start, y.start) })
}

func (t *frames) count() int {
	if t.table != nil {
		return len(t.table) / 8
	}
	return len(t.all)
}

// start is where function i begins.
func (t *frames) start(i int) uint64 {
	if t.table != nil {
		return t.base + uint64(int64(int32(le.Uint32(t.table[8*i:]))))
	}
	return t.all[i].start
}

func (t *frames) frame(i int) (frame, bool) {
	if t.table != nil {
		d, ok := t.read(t.base + uint64(int64(int32(le.Uint32(t.table[8*i+4:])))))
		return d, ok && d.start == t.start(i)
	}
	return t.all[i], true
}

// find returns the number of functions that begin at or before an address.
func (t *frames) find(addr uint64) int {
	lo, hi := 0, t.count()
	for lo < hi {
		if mid := (lo + hi) / 2; t.start(mid) <= addr {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// covering returns the entry of the function that an address stands in.
func (t *frames) covering(addr uint64) (frame, bool) {
	i := t.find(addr)
	if i == 0 {
		return frame{}, false
	}
	d, ok := t.frame(i - 1)
	return d, ok && addr >= d.start && addr < d.end
}

// read parses the FDE at an address, and its CIE.
func (t *frames) read(addr uint64) (frame, bool) {
	entry, ok := t.entry(addr)
	if !ok {
		return frame{}, false
	}
	cie, ok := t.entry(addr + 4 - uint64(entry.uint32()))
	if !ok || cie.uint32() != 0 {
		return frame{}, false
	}
	var d frame
	encoding, augmented := byte(ehAbs), false
	cie.skip(1) // version
	augmentation := cie.string()
	d.codeFactor = cie.leb()
	cie.leb() // factor of data
	cie.leb() // return address register
	for i, c := range augmentation {
		switch {
		case c == 'z' && i == 0:
			augmented = true
			cie.leb()
		case c == 'R':
			encoding = cie.uint8()
		case c == 'L':
			cie.uint8()
		case c == 'P':
			cie.pointer(cie.uint8() &^ ehIndirect)
		case c == 'S':
			d.signal = true
		default:
			return frame{}, false
		}
	}
	d.start = entry.pointer(encoding)
	d.end = d.start + entry.pointer(encoding&0xf)
	if augmented {
		entry.skip(entry.leb())
	}
	d.initial, d.program = cie.b, entry.b
	return d, !cie.bad && !entry.bad && d.start < d.end
}

// entry returns a reader for a CIE or FDE, behind its length.
func (t *frames) entry(addr uint64) (*reader, bool) {
	b, ok := t.file.at(addr)
	if !ok || len(b) < 8 {
		return nil, false
	}
	b, ok = part(b, 4, uint64(le.Uint32(b)))
	return &reader{b: b, addr: addr + 4}, ok
}
