package vdsoshim

import (
	"bytes"
	"slices"

	"github.com/sysreflect/sysreflect/internal/elf"
)

const (
	verFlagBase   = 1      // VER_FLG_BASE: the image's own name
	versymHidden  = 0x8000 // not the default version of its name
	verdefSize    = 20
	verdauxSize   = 8
	maxVersionDef = 1 << 10
)

func (s *Symbol) exported() bool {
	return s.Section != elf.SHN_UNDEF && s.Bind != elf.STB_LOCAL && s.Name != ""
}

// Symbols returns what the image exports, in the order of its table.
func (m *Image) Symbols() []Symbol {
	var out []Symbol
	for _, s := range m.symbols {
		if s.exported() {
			out = append(out, s)
		}
	}
	return out
}

// Soname returns the name that the image gives itself.
func (m *Image) Soname() string { return m.soname }

// Versions returns the names of the version definitions, without the image's
// own name.
func (m *Image) Versions() []string {
	var out []string
	for _, v := range m.versions {
		if v.flags&verFlagBase == 0 {
			out = append(out, v.name)
		}
	}
	return out
}

// Size returns how many bytes of memory the kernel maps for the image: whole
// pages up to the end of its segment or, behind that, its section headers.
func (m *Image) Size() uint64 {
	end := uint64(0)
	for _, p := range m.segments {
		if p.Type == elf.PT_LOAD {
			end = max(end, p.Off+p.Filesz)
		}
	}
	return extent(m.data, end)
}

// SyscallInsn returns the offset of a system call instruction in executable
// bytes, for calls that are made in another process: preferably in a function,
// where it is meant as one.
func (m *Image) SyscallInsn() (off uint64, ok bool) {
	insn := []byte{0x0f, 0x05}
	functions := slices.DeleteFunc(m.Symbols(), func(s Symbol) bool {
		return s.Type != elf.STT_FUNC || s.Section == elf.SHN_ABS
	})
	slices.SortStableFunc(functions, func(a, b Symbol) int {
		if a.Value < b.Value {
			return -1
		}
		return 1
	})
	for _, s := range functions {
		code, ok := m.at(s.Value)
		if !ok || !m.executable(s.Value) {
			continue
		}
		code = code[:min(s.Size, uint64(len(code)))]
		if i := bytes.Index(code, insn); i >= 0 {
			return s.Value - m.bias + uint64(i), true
		}
	}
	for _, p := range m.segments {
		if p.Type != elf.PT_LOAD || p.Flags&elf.PF_X == 0 {
			continue
		}
		if i := bytes.Index(m.data[p.Off:p.Off+p.Filesz], insn); i >= 0 {
			return p.Off + uint64(i), true
		}
	}
	return 0, false
}

func (m *Image) executable(addr uint64) bool {
	return slices.ContainsFunc(m.segments, func(p elf.ProgHeader) bool {
		return p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 && addr >= p.Vaddr && addr-p.Vaddr < p.Filesz
	})
}

// readVersions reads the version definitions: a list of Verdef, each with its
// own list of Verdaux, of which the first is the name.
func (m *Image) readVersions() error {
	b, ok, err := m.table(elf.DT_VERDEF)
	if err != nil || !ok {
		return err
	}
	count, _ := m.entry(elf.DT_VERDEFNUM)
	if count > maxVersionDef {
		return malformed("%d version definitions", count)
	}
	for range count {
		if len(b) < verdefSize {
			return malformed("version definitions outside the image")
		}
		v := version{flags: le.Uint16(b[2:]), index: le.Uint16(b[4:])}
		aux, ok := sub(b, uint64(le.Uint32(b[12:])), verdauxSize)
		if !ok {
			return malformed("version definitions outside the image")
		}
		if v.name, ok = m.string(uint64(le.Uint32(aux))); !ok {
			return malformed("the name of a version is outside the string table")
		}
		m.versions = append(m.versions, v)
		next := uint64(le.Uint32(b[16:]))
		if next == 0 {
			break
		}
		if b, ok = sub(b, next, uint64(len(b))-min(next, uint64(len(b)))); !ok {
			return malformed("version definitions outside the image")
		}
	}
	return nil
}

func (m *Image) versionName(versym uint16) string {
	for _, v := range m.versions {
		if v.index == versym&^versymHidden && v.flags&verFlagBase == 0 {
			return v.name
		}
	}
	return ""
}
