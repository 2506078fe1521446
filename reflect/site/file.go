package site

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"

	"github.com/sysreflect/sysreflect/internal/elf"
)

// ErrFormat is what Parse's errors wrap.
var ErrFormat = errors.New("not an ELF file for x86-64")

var le = binary.LittleEndian

// maxSegments bounds the work that a malicious file makes; real ones have ten.
const maxSegments = 64

// A segment is a loadable part of a file.
type segment struct {
	addr  uint64 // as linked
	off   uint64 // in the file
	bytes []byte // as far as the file has it
	flags elf.ProgFlag
}

func (s *segment) end() uint64 { return s.addr + uint64(len(s.bytes)) }

func (s *segment) code() bool { return s.flags&(elf.PF_X|elf.PF_W) == elf.PF_X }

// A File is an ELF executable or shared object. What is found out about it is
// kept; all methods are safe for concurrent use.
type File struct {
	entry    uint64
	segments []segment
	key      string

	frames  *frames
	symbols func() *symbols
	golang  func() *golang
	calls   func() *calls
}

// Parse reads a file's headers. It keeps data, which must not change; tables
// are read when they are needed. A mapping of a file that somebody else may
// truncate won't do: to read it then is a bus error. Plans don't need data.
func Parse(data []byte) (*File, error) {
	e, err := elf.New(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if e.Machine != elf.EM_X86_64 || e.Type != elf.ET_EXEC && e.Type != elf.ET_DYN {
		return nil, fmt.Errorf("%w: machine %d, type %d", ErrFormat, e.Machine, e.Type)
	}
	f := &File{entry: e.Entry}
	for _, p := range e.Progs {
		b, ok := part(data, p.Off, p.Filesz)
		if p.Type != elf.PT_LOAD || !ok || p.Vaddr > userTop || p.Filesz > userTop {
			continue
		}
		if len(f.segments) == maxSegments {
			return nil, fmt.Errorf("%w: more than %d segments", ErrFormat, maxSegments)
		}
		f.segments = append(f.segments, segment{p.Vaddr, p.Off, b, p.Flags})
	}
	f.key = key(data, e)
	f.frames = findFrames(f, data, e)
	f.symbols = sync.OnceValue(func() *symbols { return readSymbols(f, data, e) })
	f.golang = sync.OnceValue(func() *golang { return findGolang(f, data, e) })
	f.calls = sync.OnceValue(func() *calls { return findCalls(f) })
	return f, nil
}

// Key names the file's contents for a cache of plans: two files with the same
// key have the same code at the same addresses. It is empty for a file without
// build-id; device, inode and time of change must serve then.
func (f *File) Key() string { return f.key }

// key is the build-id and a hash of the program headers, since tools that move
// segments about (patchelf) leave the build-id as it was.
func key(data []byte, e *elf.File) string {
	id, headers := "", fnv.New64a()
	for _, p := range e.Progs {
		fmt.Fprintln(headers, p)
		if b, ok := part(data, p.Off, p.Filesz); ok && p.Type == elf.PT_NOTE && id == "" {
			id = buildID(b)
		}
	}
	if id == "" {
		return ""
	}
	return fmt.Sprintf("%s-%016x", id, headers.Sum64())
}

// buildID finds NT_GNU_BUILD_ID among notes.
func buildID(notes []byte) string {
	const header = 12
	for len(notes) >= header {
		name, size, kind := uint64(le.Uint32(notes)), uint64(le.Uint32(notes[4:])), le.Uint32(notes[8:])
		desc, ok := part(notes, header+(name+3)&^3, size)
		if !ok {
			return ""
		}
		if kind == 3 && string(notes[header:header+min(name, 4)]) == "GNU\x00" && size > 0 {
			return fmt.Sprintf("%x", desc)
		}
		rest := header + (name+3)&^3 + (size+3)&^3
		notes = notes[min(rest, uint64(len(notes))):]
	}
	return ""
}

// Bias is what the kernel added to the file's addresses in a process that maps
// its code from offset on, in bytes, at start: a line of /proc/PID/maps.
func (f *File) Bias(start, offset uint64) (uint64, bool) {
	const page = 4096
	for i := range f.segments {
		s := &f.segments[i]
		if first := s.off &^ (page - 1); s.code() && offset >= first && offset < s.off+uint64(len(s.bytes)) {
			return start - (s.addr - s.off + offset), true
		}
	}
	return 0, false
}

// at returns what is loaded at an address, up to the end of its segment.
func (f *File) at(addr uint64) ([]byte, bool) {
	if s := f.segment(addr); s != nil {
		return s.bytes[addr-s.addr:], true
	}
	return nil, false
}

func (f *File) segment(addr uint64) *segment {
	for i := range f.segments {
		if s := &f.segments[i]; addr >= s.addr && addr < s.end() {
			return s
		}
	}
	return nil
}

// part returns b[off:off+n], if there is such a part.
func part(b []byte, off, n uint64) ([]byte, bool) {
	if off > uint64(len(b)) || n > uint64(len(b))-off {
		return nil, false
	}
	return b[off : off+n : off+n], true
}

// section returns a section's bytes, unless it has none in the file or is
// compressed.
func section(data []byte, e *elf.File, name string) (*elf.Section, []byte) {
	s := e.Section(name)
	if s == nil || s.Type == elf.SHT_NOBITS || s.Flags&elf.SHF_COMPRESSED != 0 {
		return nil, nil
	}
	b, ok := part(data, s.Offset, s.Size)
	if !ok {
		return nil, nil
	}
	return s, b
}
