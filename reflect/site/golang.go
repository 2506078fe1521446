package site

import (
	"bytes"

	"github.com/sysreflect/sysreflect/internal/elf"
)

// golang is the table of functions in a Go program, .gopclntab. It survives
// stripping. A function in it reaches up to the next one, padding included.
type golang struct {
	table   []byte // pairs of 32 bits: offset of the function from text, of its record in records
	count   int
	names   []byte
	records []byte
	text    uint64
}

// The layouts of Go 1.18 and 1.20. Older programs are left to their symbols.
const (
	goMagic118 = 0xfffffff0
	goMagic120 = 0xfffffff1
)

func findGolang(f *File, data []byte, e *elf.File) *golang {
	for _, name := range []string{".gopclntab", ".data.rel.ro.gopclntab"} {
		if _, b := section(data, e, name); len(b) > 0 {
			text := uint64(0)
			if s := e.Section(".text"); s != nil {
				text = s.Addr
			}
			return readGolang(f, b, text)
		}
	}
	return nil
}

// readGolang reads the header. Its address of the text is not relocated, and
// not given at all in newer programs: the label has it, where there are
// symbols. Without, it is the section's in what Go's own linker made, and then
// the program's entry is a function.
func readGolang(f *File, b []byte, section uint64) *golang {
	const nfunc, textStart, funcnames, functab, header = 8, 24, 32, 64, 72
	if len(b) < header || le.Uint32(b) != goMagic118 && le.Uint32(b) != goMagic120 || b[6] != 1 || b[7] != 8 {
		return nil
	}
	count := le.Uint64(b[nfunc:])
	if count == 0 || count > uint64(len(b)) {
		return nil
	}
	t := &golang{count: int(count)}
	var ok, ok2 bool
	off, names := le.Uint64(b[functab:]), le.Uint64(b[funcnames:])
	t.table, ok = part(b, off, 8*count+4)
	_, ok2 = part(b, names, 0)
	if !ok || !ok2 {
		return nil
	}
	t.records, t.names = b[off:], b[names:]
	if t.text = f.symbols().labels[goText]; t.text != 0 && t.inside(f) {
		return t
	}
	for _, t.text = range []uint64{le.Uint64(b[textStart:]), section} {
		if i := t.find(f.entry); i > 0 && t.start(i-1) == f.entry && t.inside(f) {
			return t
		}
	}
	return nil
}

// inside tells whether the first and last function are code of the file.
func (t *golang) inside(f *File) bool {
	s := f.segment(t.start(0))
	return s != nil && s.code() && t.start(t.count) <= s.end() && t.start(t.count) > t.start(0)
}

// start is where function i begins; that of function count is the end of all.
func (t *golang) start(i int) uint64 { return t.text + uint64(le.Uint32(t.table[8*i:])) }

// find returns the number of functions that begin at or before an address.
func (t *golang) find(addr uint64) int {
	lo, hi := 0, t.count
	for lo < hi {
		if mid := (lo + hi) / 2; t.start(mid) <= addr {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// covering returns the function that an address stands in.
func (t *golang) covering(addr uint64) (r Range, name string, ok bool) {
	if t == nil {
		return Range{}, "", false
	}
	i := t.find(addr)
	if i == 0 || addr >= t.start(i) {
		return Range{}, "", false
	}
	if record, ok := part(t.records, uint64(le.Uint32(t.table[8*(i-1)+4:])), 8); ok {
		if off := uint64(le.Uint32(record[4:])); off < uint64(len(t.names)) {
			b, _, _ := bytes.Cut(t.names[off:], []byte{0})
			name = string(b)
		}
	}
	return Range{t.start(i - 1), t.start(i)}, name, true
}
