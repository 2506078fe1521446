package site

import (
	"bytes"
	"cmp"
	"math"
	"math/bits"
	"slices"

	"github.com/sysreflect/sysreflect/internal/elf"
)

// symbols are what .symtab and .dynsym name in the file's code.
type symbols struct {
	sorted  []symbol
	strings [][]byte // the string tables
	longest uint64   // size of the longest function
	labels  [labels]uint64
	dynamic uint8 // which table is .dynsym, from 1 on
}

type symbol struct {
	addr, size uint64
	name       uint32
	table      uint8 // which string table
	function   bool
}

// Labels with a meaning for us: the bounds of the windows in which C libraries
// look for the program counter of a thread that is cancelled, and where Go's
// table of functions counts from.
const (
	muslBegin = iota
	muslEnd
	glibcBegin // from 2.41 on
	glibcEnd
	goText
	labels
)

// maxLabel is more than the length of any label, in bytes.
const maxLabel = 32

func labelOf(name []byte) (int, bool) {
	switch string(name) {
	case "__cp_begin":
		return muslBegin, true
	case "__cp_end":
		return muslEnd, true
	case "__syscall_cancel_arch_start":
		return glibcBegin, true
	case "__syscall_cancel_arch_end":
		return glibcEnd, true
	case "runtime.text":
		return goText, true
	}
	return 0, false
}

func readSymbols(f *File, data []byte, e *elf.File) *symbols {
	t := &symbols{}
	for _, kind := range []elf.SectionType{elf.SHT_SYMTAB, elf.SHT_DYNSYM} {
		s := e.SectionByType(kind)
		if s == nil || s.Link >= uint32(len(e.Sections)) {
			continue
		}
		l := e.Sections[s.Link]
		table, ok := part(data, s.Offset, s.Size)
		names, ok2 := part(data, l.Offset, l.Size)
		if ok && ok2 && s.Flags&elf.SHF_COMPRESSED == 0 && l.Flags&elf.SHF_COMPRESSED == 0 {
			if kind == elf.SHT_DYNSYM {
				t.dynamic = uint8(len(t.strings) + 1)
			}
			t.add(f, table, names)
		}
	}
	t.sorted = inOrder(t.sorted)
	return t
}

func order(x, y symbol) int {
	return cmp.Or(cmp.Compare(x.addr, y.addr), cmp.Compare(x.size, y.size), cmp.Compare(x.table, y.table))
}

// inOrder sorts symbols. A program waits for it, and large ones have 150,000:
// these are put into as many parts of the address space first, which takes a
// tenth of the time.
func inOrder(s []symbol) []symbol {
	if len(s) < 2 {
		return s
	}
	lo, hi := s[0].addr, s[0].addr
	for _, x := range s {
		lo, hi = min(lo, x.addr), max(hi, x.addr)
	}
	shift := max(0, bits.Len64(hi-lo)-bits.Len(uint(len(s))))
	ends := make([]int, (hi-lo)>>shift+2)
	for _, x := range s {
		ends[(x.addr-lo)>>shift+1]++
	}
	for i := range ends[1:] {
		ends[i+1] += ends[i]
	}
	// ends[i] is where part i begins, and grows to where it ends.
	out := make([]symbol, len(s))
	for _, x := range s {
		part := (x.addr - lo) >> shift
		out[ends[part]] = x
		ends[part]++
	}
	begin := 0
	for _, end := range ends[:len(ends)-1] {
		if end > begin+1 {
			slices.SortFunc(out[begin:end], order)
		}
		begin = end
	}
	return out
}

func (t *symbols) add(f *File, table, names []byte) {
	const size = 24
	t.strings = append(t.strings, names)
	t.sorted = slices.Grow(t.sorted, len(table)/size)
	for ; len(table) >= size; table = table[size:] {
		kind := elf.ST_TYPE(table[4])
		s := symbol{
			addr: le.Uint64(table[8:]), size: le.Uint64(table[16:]),
			name: le.Uint32(table), table: uint8(len(t.strings) - 1),
			function: kind == elf.STT_FUNC || kind == elf.STT_GNU_IFUNC,
		}
		if le.Uint16(table[6:]) == uint16(elf.SHN_UNDEF) || !s.function && kind != elf.STT_NOTYPE {
			continue
		}
		in := f.segment(s.addr)
		if in == nil || !in.code() || s.size > in.end()-s.addr {
			continue
		}
		t.sorted = append(t.sorted, s)
		t.longest = max(t.longest, s.size)
		if i, ok := labelOf(t.beginning(s, maxLabel)); ok {
			t.labels[i] = s.addr
		}
	}
}

func (t *symbols) name(s symbol) []byte { return t.beginning(s, math.MaxInt) }

// beginning returns at most n bytes of a name.
func (t *symbols) beginning(s symbol, n int) []byte {
	if int(s.table) >= len(t.strings) || uint64(s.name) >= uint64(len(t.strings[s.table])) {
		return nil
	}
	names := t.strings[s.table][s.name:]
	name, _, _ := bytes.Cut(names[:min(n, len(names))], []byte{0})
	return name
}

// after returns the address of the next symbol behind an address.
func (t *symbols) after(addr uint64) (uint64, bool) {
	if i := t.index(addr); i < len(t.sorted) {
		return t.sorted[i].addr, true
	}
	return 0, false
}

// index returns the number of symbols at or before an address.
func (t *symbols) index(addr uint64) int {
	i, _ := slices.BinarySearchFunc(t.sorted, addr, func(s symbol, addr uint64) int {
		if s.addr <= addr {
			return -1
		}
		return 1
	})
	return i
}

// covering returns the smallest function with a size that an address stands in.
func (t *symbols) covering(addr uint64) (symbol, bool) {
	var best symbol
	for i := t.index(addr) - 1; i >= 0 && addr-t.sorted[i].addr < t.longest; i-- {
		s := t.sorted[i]
		if s.function && addr-s.addr < s.size && (best.size == 0 || s.size < best.size) {
			best = s
		}
	}
	return best, best.size > 0
}

// windows are the ranges in which C libraries look for a cancelled thread.
func (t *symbols) windows() []Range {
	var w []Range
	for _, i := range []int{muslBegin, glibcBegin} {
		if lo, hi := t.labels[i], t.labels[i+1]; lo != 0 && lo < hi {
			w = append(w, Range{lo, hi})
		}
	}
	return w
}
