package elf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrFormat is what New's errors wrap.
var ErrFormat = errors.New("not a 64-bit little-endian ELF file")

// Sizes of the headers.
const (
	ehdrSize = 64
	phdrSize = 56
	shdrSize = 64
)

// A File is what the headers of a file say.
type File struct {
	Type     Type
	Machine  Machine
	Entry    uint64
	Progs    []ProgHeader
	Sections []Section
}

// A ProgHeader is a program header.
type ProgHeader struct {
	Type                                    ProgType
	Flags                                   ProgFlag
	Off, Vaddr, Paddr, Filesz, Memsz, Align uint64
}

// A Section is a section header.
type Section struct {
	Name               string
	Type               SectionType
	Flags              SectionFlag
	Addr, Offset, Size uint64
	Link               uint32

	name uint32
}

// New reads the headers. Headers outside of data and section names outside of their
// table are errors; where segments and sections lie is not looked at.
func New(data []byte) (*File, error) {
	le := binary.LittleEndian
	if len(data) < ehdrSize || string(data[:4]) != ELFMAG {
		return nil, fmt.Errorf("%w: no header", ErrFormat)
	}
	if Class(data[EI_CLASS]) != ELFCLASS64 || Data(data[EI_DATA]) != ELFDATA2LSB {
		return nil, fmt.Errorf("%w: class %d, byte order %d", ErrFormat, data[EI_CLASS], data[EI_DATA])
	}
	f := &File{Type: Type(le.Uint16(data[16:])), Machine: Machine(le.Uint16(data[18:])), Entry: le.Uint64(data[24:])}
	progs, err := table(data, "program", le.Uint64(data[32:]), uint64(le.Uint16(data[56:])), le.Uint16(data[54:]), phdrSize)
	if err != nil {
		return nil, err
	}
	for ; len(progs) > 0; progs = progs[phdrSize:] {
		f.Progs = append(f.Progs, ProgHeader{
			Type: ProgType(le.Uint32(progs)), Flags: ProgFlag(le.Uint32(progs[4:])),
			Off: le.Uint64(progs[8:]), Vaddr: le.Uint64(progs[16:]), Paddr: le.Uint64(progs[24:]),
			Filesz: le.Uint64(progs[32:]), Memsz: le.Uint64(progs[40:]), Align: le.Uint64(progs[48:]),
		})
	}
	off, count, names := le.Uint64(data[40:]), uint64(le.Uint16(data[60:])), uint32(le.Uint16(data[62:]))
	if off == 0 {
		return f, nil
	}
	if count == 0 { // more than fit into the header: the first section says how many
		first, err := table(data, "section", off, 1, le.Uint16(data[58:]), shdrSize)
		if err != nil {
			return nil, err
		}
		if count = le.Uint64(first[32:]); names == shnXIndex {
			names = le.Uint32(first[40:])
		}
	}
	sections, err := table(data, "section", off, count, le.Uint16(data[58:]), shdrSize)
	if err != nil {
		return nil, err
	}
	for ; len(sections) > 0; sections = sections[shdrSize:] {
		f.Sections = append(f.Sections, Section{
			name: le.Uint32(sections), Type: SectionType(le.Uint32(sections[4:])), Flags: SectionFlag(le.Uint64(sections[8:])),
			Addr: le.Uint64(sections[16:]), Offset: le.Uint64(sections[24:]), Size: le.Uint64(sections[32:]), Link: le.Uint32(sections[40:]),
		})
	}
	return f, f.nameSections(data, names)
}

// table returns count headers.
func table(data []byte, what string, off, count uint64, size uint16, want uint64) ([]byte, error) {
	if count == 0 {
		return nil, nil
	}
	if uint64(size) != want {
		return nil, fmt.Errorf("%w: %s headers of %d bytes", ErrFormat, what, size)
	}
	if off > uint64(len(data)) || count > (uint64(len(data))-off)/want {
		return nil, fmt.Errorf("%w: %s headers outside of it", ErrFormat, what)
	}
	return data[off : off+count*want], nil
}

// nameSections reads the sections' names from section number index.
func (f *File) nameSections(data []byte, index uint32) error {
	if len(f.Sections) == 0 || index == 0 {
		return nil
	}
	if uint64(index) >= uint64(len(f.Sections)) {
		return fmt.Errorf("%w: no section %d for the names", ErrFormat, index)
	}
	s := f.Sections[index]
	if s.Type != SHT_STRTAB || s.Offset > uint64(len(data)) || s.Size > uint64(len(data))-s.Offset {
		return fmt.Errorf("%w: the names of sections are outside of it", ErrFormat)
	}
	names := data[s.Offset : s.Offset+s.Size]
	for i := range f.Sections {
		s := &f.Sections[i]
		if uint64(s.name) >= uint64(len(names)) {
			return fmt.Errorf("%w: the name of section %d is outside of it", ErrFormat, i)
		}
		name, _, ok := bytes.Cut(names[s.name:], []byte{0})
		if !ok {
			return fmt.Errorf("%w: the name of section %d has no end", ErrFormat, i)
		}
		s.Name = string(name)
	}
	return nil
}

// Section returns the first section of that name, nil if there is none.
func (f *File) Section(name string) *Section {
	for i := range f.Sections {
		if f.Sections[i].Name == name {
			return &f.Sections[i]
		}
	}
	return nil
}

// SectionByType returns the first section of that type, nil if there is none.
func (f *File) SectionByType(t SectionType) *Section {
	for i := range f.Sections {
		if f.Sections[i].Type == t {
			return &f.Sections[i]
		}
	}
	return nil
}
