package site

import (
	"debug/elf"
	"testing"
)

// An image is an ELF file made for a test: one segment of code, symbols.
type image struct {
	addr    uint64
	code    []byte
	flags   elf.ProgFlag
	symbols []imageSymbol
	notes   []byte
}

type imageSymbol struct {
	name       string
	addr, size uint64
	kind       elf.SymType
}

// bytes lays the file out: headers, code, notes, symbols, strings, section
// headers.
func (m image) bytes() []byte {
	const ehdr, phdr, shdr, sym = 64, 56, 64, 24
	if m.flags == 0 {
		m.flags = elf.PF_R | elf.PF_X
	}
	codeOff := uint64(ehdr + 2*phdr)
	notesOff := codeOff + uint64(len(m.code))
	symOff := notesOff + uint64(len(m.notes))
	table, names := make([]byte, sym), []byte{0}
	for _, s := range m.symbols {
		table = le.AppendUint32(table, uint32(len(names)))
		table = append(table, byte(s.kind), 0, 1, 0)
		table = le.AppendUint64(table, s.addr)
		table = le.AppendUint64(table, s.size)
		names = append(append(names, s.name...), 0)
	}
	shOff := symOff + uint64(len(table)+len(names))

	b := make([]byte, codeOff, shOff+3*shdr)
	copy(b, elf.ELFMAG+"\x02\x01\x01")
	le.PutUint16(b[16:], uint16(elf.ET_DYN))
	le.PutUint16(b[18:], uint16(elf.EM_X86_64))
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[32:], ehdr)
	le.PutUint64(b[40:], shOff)
	for i, v := range []uint16{ehdr, phdr, 2, shdr, 3, 2} {
		le.PutUint16(b[52+2*i:], v)
	}
	program := func(p []byte, kind elf.ProgType, flags elf.ProgFlag, off, addr, size uint64) {
		le.PutUint32(p, uint32(kind))
		le.PutUint32(p[4:], uint32(flags))
		for i, v := range []uint64{off, addr, addr, size, size, 1} {
			le.PutUint64(p[8+8*i:], v)
		}
	}
	program(b[ehdr:], elf.PT_LOAD, m.flags, codeOff, m.addr, uint64(len(m.code)))
	program(b[ehdr+phdr:], elf.PT_NOTE, elf.PF_R, notesOff, 0, uint64(len(m.notes)))
	b = append(append(append(append(b, m.code...), m.notes...), table...), names...)

	section := func(kind elf.SectionType, off, size uint64, link, info uint32, entry uint64) {
		s := make([]byte, shdr)
		le.PutUint32(s[4:], uint32(kind))
		le.PutUint64(s[24:], off)
		le.PutUint64(s[32:], size)
		le.PutUint32(s[40:], link)
		le.PutUint32(s[44:], info)
		le.PutUint64(s[56:], entry)
		b = append(b, s...)
	}
	section(elf.SHT_NULL, 0, 0, 0, 0, 0)
	section(elf.SHT_SYMTAB, symOff, uint64(len(table)), 2, 1, sym)
	section(elf.SHT_STRTAB, symOff+uint64(len(table)), uint64(len(names)), 0, 0, 0)
	return b
}

func (m image) parse(t testing.TB) *File {
	t.Helper()
	f, err := Parse(m.bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// oneFunction is a file with one function.
func oneFunction(addr uint64, name string, code []byte) image {
	return image{addr: addr, code: code, symbols: []imageSymbol{{name, addr, uint64(len(code)), elf.STT_FUNC}}}
}
