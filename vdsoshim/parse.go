package vdsoshim

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/sysreflect/sysreflect/internal/elf"
)

// ErrFormat is what Parse's errors wrap.
var ErrFormat = errors.New("not a vDSO image")

var le = binary.LittleEndian

const (
	ehdrSize = 64
	phdrSize = 56
	shdrSize = 64
	symSize  = 24
	// maxImage bounds what Parse and CheckShape look at; kernels' images
	// have two or three pages.
	maxImage = 1 << 20
)

// A Symbol is a function, or a datum, that an image exports.
type Symbol struct {
	Name    string
	Version string // name of its version definition, "" if it has none
	Value   uint64 // address, as linked
	Size    uint64
	Bind    elf.SymBind
	Type    elf.SymType
	Section elf.SectionIndex // SHN_ABS: Value is no address

	other  byte
	versym uint16
}

// A version is a version definition.
type version struct {
	name  string
	index uint16
	flags uint16
}

// An Image is a parsed vDSO: the kernel's, ours, or a user's. Only what a
// loader sees is read: the program headers and the dynamic segment.
type Image struct {
	data     []byte
	segments []elf.ProgHeader
	bias     uint64 // address of the image's first byte, as linked
	soname   string
	dynamic  []dynamicEntry

	strings  []byte
	symbols  []Symbol // by index in the table, the null symbol included
	versions []version
	sysv     *sysvHash
	gnu      *gnuHash
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}

// Parse reads an image as it lies in a file or, which is the same for a vDSO,
// in memory. It believes nothing: offsets, counts and chains are checked.
func Parse(b []byte) (*Image, error) {
	if len(b) > maxImage {
		return nil, malformed("%d bytes are more than any vDSO has", len(b))
	}
	if len(b) < ehdrSize || string(b[:4]) != elf.ELFMAG {
		return nil, malformed("no ELF header")
	}
	if elf.Class(b[elf.EI_CLASS]) != elf.ELFCLASS64 || elf.Data(b[elf.EI_DATA]) != elf.ELFDATA2LSB {
		return nil, malformed("not a 64-bit little-endian image")
	}
	if m := elf.Machine(le.Uint16(b[18:])); m != elf.EM_X86_64 {
		return nil, malformed("made for machine %d, not for x86-64", m)
	}
	if t := elf.Type(le.Uint16(b[16:])); t != elf.ET_DYN {
		return nil, malformed("type %d, not a shared object", t)
	}
	m := &Image{data: b}
	if err := m.readSegments(); err != nil {
		return nil, err
	}
	if err := m.readDynamic(); err != nil {
		return nil, err
	}
	return m, m.readTables()
}

func (m *Image) readSegments() error {
	b := m.data
	off, size, count := le.Uint64(b[32:]), le.Uint16(b[54:]), uint64(le.Uint16(b[56:]))
	if size != phdrSize {
		return malformed("program headers of %d bytes", size)
	}
	table, ok := sub(b, off, count*phdrSize)
	if !ok {
		return malformed("program headers outside the image")
	}
	loaded := false
	for ; len(table) > 0; table = table[phdrSize:] {
		p := elf.ProgHeader{
			Type: elf.ProgType(le.Uint32(table)), Flags: elf.ProgFlag(le.Uint32(table[4:])),
			Off: le.Uint64(table[8:]), Vaddr: le.Uint64(table[16:]),
			Filesz: le.Uint64(table[32:]), Memsz: le.Uint64(table[40:]), Align: le.Uint64(table[48:]),
		}
		if p.Type == elf.PT_LOAD {
			if _, ok := sub(b, p.Off, p.Filesz); !ok {
				return malformed("a segment outside the image")
			}
			if !loaded {
				loaded, m.bias = true, p.Vaddr-p.Off
			}
		}
		m.segments = append(m.segments, p)
	}
	if !loaded {
		return malformed("no loadable segment")
	}
	return nil
}

// at returns what is at an address, up to the end of its segment.
func (m *Image) at(addr uint64) ([]byte, bool) {
	for _, p := range m.segments {
		if p.Type == elf.PT_LOAD && addr >= p.Vaddr && addr-p.Vaddr < p.Filesz {
			return sub(m.data[:p.Off+p.Filesz], p.Off+(addr-p.Vaddr), p.Filesz-(addr-p.Vaddr))
		}
	}
	return nil, false
}

func (m *Image) readDynamic() error {
	for _, p := range m.segments {
		if p.Type != elf.PT_DYNAMIC {
			continue
		}
		entries, ok := m.at(p.Vaddr)
		if !ok || uint64(len(entries)) < p.Filesz {
			return malformed("the dynamic segment is not loaded")
		}
		m.dynamic = make([]dynamicEntry, 0, p.Filesz/16)
		for entries = entries[:p.Filesz]; len(entries) >= 16; entries = entries[16:] {
			tag := elf.DynTag(le.Uint64(entries))
			if tag == elf.DT_NULL {
				return nil
			}
			m.dynamic = append(m.dynamic, dynamicEntry{tag, le.Uint64(entries[8:])})
		}
		return nil
	}
	return malformed("no dynamic segment")
}

// A dynamicEntry is one of the dynamic segment. There are a dozen.
type dynamicEntry struct {
	tag   elf.DynTag
	value uint64
}

// entry returns a dynamic entry, the last one with this tag.
func (m *Image) entry(tag elf.DynTag) (value uint64, present bool) {
	for _, e := range slices.Backward(m.dynamic) {
		if e.tag == tag {
			return e.value, true
		}
	}
	return 0, false
}

// table returns what a dynamic entry points to.
func (m *Image) table(tag elf.DynTag) (b []byte, present bool, err error) {
	addr, present := m.entry(tag)
	if !present {
		return nil, false, nil
	}
	b, ok := m.at(addr)
	if !ok {
		return nil, true, malformed("%v points outside the image", tag)
	}
	return b, true, nil
}

func (m *Image) readTables() error {
	strings, ok, err := m.table(elf.DT_STRTAB)
	if err != nil || !ok {
		return errors.Join(err, missing(ok, "DT_STRTAB"))
	}
	if size, _ := m.entry(elf.DT_STRSZ); size < uint64(len(strings)) {
		strings = strings[:size]
	}
	m.strings = strings
	if off, ok := m.entry(elf.DT_SONAME); ok {
		if m.soname, ok = m.string(off); !ok {
			return malformed("DT_SONAME is outside the string table")
		}
	}
	count, err := m.readHashes()
	if err != nil {
		return err
	}
	if err := m.readVersions(); err != nil {
		return err
	}
	return m.readSymbols(count)
}

func missing(ok bool, what string) error {
	if ok {
		return nil
	}
	return malformed("no %s", what)
}

func (m *Image) readSymbols(count uint64) error {
	table, ok, err := m.table(elf.DT_SYMTAB)
	if err != nil || !ok {
		return errors.Join(err, missing(ok, "DT_SYMTAB"))
	}
	if n, ok := m.entry(elf.DT_SYMENT); ok && n != symSize {
		return malformed("symbols of %d bytes", n)
	}
	if uint64(len(table))/symSize < count {
		return malformed("%d symbols don't fit into the image", count)
	}
	versyms, versioned, err := m.table(elf.DT_VERSYM)
	if err != nil {
		return err
	}
	if versioned && uint64(len(versyms))/2 < count {
		return malformed("%d symbol versions don't fit into the image", count)
	}
	for i := range count {
		t := table[symSize*i:]
		name, ok := m.string(uint64(le.Uint32(t)))
		if !ok {
			return malformed("the name of symbol %d is outside the string table", i)
		}
		s := Symbol{
			Name: name, Bind: elf.ST_BIND(t[4]), Type: elf.ST_TYPE(t[4]), other: t[5],
			Section: elf.SectionIndex(le.Uint16(t[6:])), Value: le.Uint64(t[8:]), Size: le.Uint64(t[16:]),
		}
		if versioned {
			s.versym = le.Uint16(versyms[2*i:])
			s.Version = m.versionName(s.versym)
		}
		m.symbols = append(m.symbols, s)
	}
	return nil
}

func (m *Image) string(off uint64) (string, bool) {
	if off >= uint64(len(m.strings)) {
		return "", false
	}
	s, _, ok := bytes.Cut(m.strings[off:], []byte{0})
	return string(s), ok
}

// sub returns b[off:off+n], if there is such a part.
func sub(b []byte, off, n uint64) ([]byte, bool) {
	if off > uint64(len(b)) || n > uint64(len(b))-off {
		return nil, false
	}
	return b[off : off+n], true
}
