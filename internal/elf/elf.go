// Package elf has what of the ELF format (elf(5)) is needed in a run: constants, under
// the names of elf.h and of debug/elf, and a reader of headers. It is for 64-bit
// little-endian files. Package debug/elf, which tests compare it with, brings the
// tables of DWARF and of decompressors into each start of the tool: 0.1 ms, 30 page
// faults.
package elf

import "fmt"

// ELFMAG is what a file begins with.
const ELFMAG = "\x7fELF"

// Indices of the file's first bytes.
const (
	EI_CLASS = 4
	EI_DATA  = 5
)

// shnXIndex says that the number of the section of names stands elsewhere.
const shnXIndex = 0xffff

// A Class is the size of words.
type Class uint8

const (
	ELFCLASS64 Class = 2
)

// Data is the order of bytes.
type Data uint8

const (
	ELFDATA2LSB Data = 1
)

// A Type says what a file is.
type Type uint16

const (
	ET_EXEC Type = 2
	ET_DYN  Type = 3
)

// A Machine is a processor.
type Machine uint16

const (
	EM_X86_64 Machine = 62
)

// A ProgType says what a program header is for.
type ProgType uint32

const (
	PT_LOAD         ProgType = 1
	PT_DYNAMIC      ProgType = 2
	PT_INTERP       ProgType = 3
	PT_NOTE         ProgType = 4
	PT_TLS          ProgType = 7
	PT_GNU_EH_FRAME ProgType = 0x6474e550
)

// A ProgFlag is what a segment may be used for.
type ProgFlag uint32

const (
	PF_X ProgFlag = 1
	PF_W ProgFlag = 2
	PF_R ProgFlag = 4
)

// A SectionType says what a section holds.
type SectionType uint32

const (
	SHT_NULL       SectionType = 0
	SHT_SYMTAB     SectionType = 2
	SHT_STRTAB     SectionType = 3
	SHT_RELA       SectionType = 4
	SHT_NOBITS     SectionType = 8
	SHT_REL        SectionType = 9
	SHT_DYNSYM     SectionType = 11
	SHT_GNU_VERDEF SectionType = 0x6ffffffd
)

// A SectionFlag is a property of a section.
type SectionFlag uint64

const (
	SHF_WRITE      SectionFlag = 1
	SHF_ALLOC      SectionFlag = 2
	SHF_EXECINSTR  SectionFlag = 4
	SHF_TLS        SectionFlag = 0x400
	SHF_COMPRESSED SectionFlag = 0x800
)

// A SectionIndex is the number of a section, or stands for none.
type SectionIndex int

const (
	SHN_UNDEF     SectionIndex = 0
	SHN_LORESERVE SectionIndex = 0xff00
	SHN_ABS       SectionIndex = 0xfff1
)

// A SymBind is a symbol's binding.
type SymBind uint8

const (
	STB_LOCAL  SymBind = 0
	STB_GLOBAL SymBind = 1
	STB_WEAK   SymBind = 2
)

// A SymType says what a symbol stands for.
type SymType uint8

const (
	STT_NOTYPE    SymType = 0
	STT_OBJECT    SymType = 1
	STT_FUNC      SymType = 2
	STT_TLS       SymType = 6
	STT_GNU_IFUNC SymType = 10
)

// A DynTag says what an entry of the dynamic segment is.
type DynTag uint64

const (
	DT_NULL          DynTag = 0
	DT_NEEDED        DynTag = 1
	DT_PLTGOT        DynTag = 3
	DT_HASH          DynTag = 4
	DT_STRTAB        DynTag = 5
	DT_SYMTAB        DynTag = 6
	DT_RELA          DynTag = 7
	DT_STRSZ         DynTag = 10
	DT_SYMENT        DynTag = 11
	DT_INIT          DynTag = 12
	DT_FINI          DynTag = 13
	DT_SONAME        DynTag = 14
	DT_REL           DynTag = 17
	DT_DEBUG         DynTag = 21
	DT_TEXTREL       DynTag = 22
	DT_JMPREL        DynTag = 23
	DT_INIT_ARRAY    DynTag = 25
	DT_FINI_ARRAY    DynTag = 26
	DT_FLAGS         DynTag = 30
	DT_PREINIT_ARRAY DynTag = 32
	DT_RELR          DynTag = 36
	DT_GNU_HASH      DynTag = 0x6ffffef5
	DT_VERSYM        DynTag = 0x6ffffff0
	DT_VERDEF        DynTag = 0x6ffffffc
	DT_VERDEFNUM     DynTag = 0x6ffffffd
)

// String returns the name in elf.h.
func (t DynTag) String() string {
	switch t {
	case DT_NULL:
		return "DT_NULL"
	case DT_NEEDED:
		return "DT_NEEDED"
	case DT_PLTGOT:
		return "DT_PLTGOT"
	case DT_HASH:
		return "DT_HASH"
	case DT_STRTAB:
		return "DT_STRTAB"
	case DT_SYMTAB:
		return "DT_SYMTAB"
	case DT_RELA:
		return "DT_RELA"
	case DT_STRSZ:
		return "DT_STRSZ"
	case DT_SYMENT:
		return "DT_SYMENT"
	case DT_INIT:
		return "DT_INIT"
	case DT_FINI:
		return "DT_FINI"
	case DT_SONAME:
		return "DT_SONAME"
	case DT_REL:
		return "DT_REL"
	case DT_DEBUG:
		return "DT_DEBUG"
	case DT_TEXTREL:
		return "DT_TEXTREL"
	case DT_JMPREL:
		return "DT_JMPREL"
	case DT_INIT_ARRAY:
		return "DT_INIT_ARRAY"
	case DT_FINI_ARRAY:
		return "DT_FINI_ARRAY"
	case DT_FLAGS:
		return "DT_FLAGS"
	case DT_PREINIT_ARRAY:
		return "DT_PREINIT_ARRAY"
	case DT_GNU_HASH:
		return "DT_GNU_HASH"
	case DT_VERSYM:
		return "DT_VERSYM"
	case DT_VERDEF:
		return "DT_VERDEF"
	case DT_VERDEFNUM:
		return "DT_VERDEFNUM"
	case DT_RELR:
		return "DT_RELR"
	}
	return fmt.Sprintf("tag %#x", uint64(t))
}

// String returns the name in elf.h.
func (b SymBind) String() string {
	switch b {
	case STB_LOCAL:
		return "STB_LOCAL"
	case STB_GLOBAL:
		return "STB_GLOBAL"
	case STB_WEAK:
		return "STB_WEAK"
	}
	return fmt.Sprintf("binding %d", uint8(b))
}

// ST_BIND, ST_TYPE and ST_INFO take st_info apart, and put it together.
func ST_BIND(info uint8) SymBind { return SymBind(info >> 4) }
func ST_TYPE(info uint8) SymType { return SymType(info & 0xf) }

func ST_INFO(bind SymBind, typ SymType) uint8 { return uint8(bind)<<4 | uint8(typ)&0xf }
