package site

import (
	"bytes"
	"slices"
)

// SitesWith returns addresses where a `syscall` instruction seems to stand that
// brings one of some numbers, in order; [File.Analyze] says what is there. Where
// the file exports the first of names, it is the library whose functions make these
// calls, and only functions with these names are searched: a program waits for it.
// Else all code is, if it has no more than limit bytes. Sites are not found that have
// the number from further up than the instructions right before them.
func (f *File) SitesWith(numbers []int, names []string, limit int) []uint64 {
	var sites []uint64
	search := func(code []byte, addr uint64) {
		// By its second byte, which is the rarer one.
		for at := 0; ; at++ {
			n := bytes.IndexByte(code[at:], syscallInsn[1])
			if n < 0 {
				break
			}
			at += n
			if at > 0 && code[at-1] == syscallInsn[0] && loads(code[max(0, at-1-maxRunBytes):at-1], numbers) {
				sites = append(sites, addr+uint64(at)-1)
			}
		}
	}
	if functions, ok := f.symbols().exported(names); ok {
		for _, s := range functions {
			if in := f.segment(s.addr); in != nil {
				search(in.bytes[s.addr-in.addr:][:s.size], s.addr)
			}
		}
	} else {
		for i := range f.segments {
			if s := &f.segments[i]; s.code() && len(s.bytes) <= limit {
				limit -= len(s.bytes)
				search(s.bytes, s.addr)
			}
		}
	}
	slices.Sort(sites)
	return slices.Compact(sites)
}

// exported finds the functions with some names that other files can call; none
// where the first is not among them.
func (t *symbols) exported(names []string) (found []symbol, ok bool) {
	for _, s := range t.sorted {
		if !s.function || s.table+1 != t.dynamic || s.size == 0 {
			continue
		}
		name := t.beginning(s, maxLabel)
		if i := slices.IndexFunc(names, func(n string) bool { return n == string(name) }); i >= 0 {
			found, ok = append(found, s), ok || i == 0
		}
	}
	return found, ok
}

// loads tells whether code looks as if it loaded one of some numbers into a
// register: few sites do, and only these are worth decoding.
func loads(code []byte, numbers []int) bool {
	for i := 1; i+4 <= len(code); i++ {
		mov := code[i-1]&^7 == 0xb8 || i > 1 && code[i-2] == 0xc7 && code[i-1]&^7 == 0xc0 // mov $nr,%reg
		if mov && slices.Contains(numbers, int(le.Uint32(code[i:]))) {
			return true
		}
	}
	return false
}
