package vdsoshim

import (
	"bytes"
	"debug/elf"
	"testing"
)

// TestUnwindTables: every byte of code, and of the region's stubs, has an unwind entry, which is found by
// the sorted table that PT_GNU_EH_FRAME points to (LSB core, .eh_frame_hdr).
func TestUnwindTables(t *testing.T) {
	_, b, err := Own()
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var header uint64
	for _, p := range f.Progs {
		if p.Type == elf.PT_GNU_EH_FRAME {
			header = p.Vaddr
		}
	}
	frames, text := f.Section(".eh_frame"), f.Section(".text")
	// Version 1; pointer pc-relative, count absolute, table relative to the
	// header, all of them four bytes.
	if !bytes.Equal(b[header:header+4], []byte{1, 0x1b, 0x03, 0x3b}) {
		t.Fatalf("header % x", b[header:header+4])
	}
	relative := func(base, at uint64) uint64 { return base + uint64(int64(int32(le.Uint32(b[at:])))) }
	if got := relative(header+4, header+4); got != frames.Addr {
		t.Errorf("the header points to %#x, .eh_frame is at %#x", got, frames.Addr)
	}
	count := le.Uint32(b[header+8:])
	next := text.Addr
	for i := range uint64(count) {
		entry := header + 12 + 8*i
		code, fde := relative(header, entry), relative(header, entry+4)
		if fde < frames.Addr || fde >= frames.Addr+frames.Size {
			t.Fatalf("entry %d points to %#x, outside .eh_frame", i, fde)
		}
		cie := fde + 4 - uint64(le.Uint32(b[fde+4:]))
		// "zR": augmentation data with the encoding of pointers, pc-relative; and "S"
		// for what handlers of signals return to.
		want := "zR\x00"
		if restorer.off >= code && restorer.off < code+uint64(le.Uint32(b[fde+12:])) {
			want = "zRS\x00"
		}
		if !bytes.HasPrefix(b[cie+9:], []byte(want)) {
			t.Fatalf("the CIE at %#x has augmentation %q", cie, b[cie+9:cie+12])
		}
		if got := relative(fde+8, fde+8); got != code {
			t.Errorf("entry %d is for %#x, its FDE for %#x", i, code, got)
		}
		if i == uint64(count)-1 {
			if size := uint64(le.Uint32(b[fde+12:])); code != StubsOff || size != StubsSize {
				t.Errorf("the last entry is for %#x, %#x bytes, not for the stubs", code, size)
			}
			break
		}
		if next == text.Addr+text.Size {
			next = ExitsOff
		}
		if code != next {
			t.Errorf("nothing describes %#x to %#x", next, code)
		}
		next = code + uint64(le.Uint32(b[fde+12:]))
	}
	if end := uint64(ExitsOff + ExitsSize); next != end {
		t.Errorf("nothing describes %#x to %#x", next, end)
	}
	if end := frames.Addr + frames.Size; le.Uint32(b[end-4:]) != 0 {
		t.Error(".eh_frame has no end mark")
	}
}
