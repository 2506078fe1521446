package site

import "slices"

// calls finds functions in files without unwind tables (musl's libc.so), where
// hidden functions have no symbol either: it follows the control flow from the
// entry and all symbols and takes each call's target for a function.
type calls struct {
	entries []uint64 // sorted
}

func findCalls(f *File) *calls {
	c := &calls{}
	seen := map[*segment][]bool{}
	known := map[uint64]bool{}
	var work []uint64
	enter := func(addr uint64) {
		if s := f.segment(addr); s != nil && s.code() && !known[addr] {
			known[addr] = true
			c.entries = append(c.entries, addr)
			work = append(work, addr)
		}
	}
	enter(f.entry)
	for _, s := range f.symbols().sorted {
		if s.function {
			enter(s.addr)
		}
	}
	for len(work) > 0 {
		at := work[len(work)-1]
		work = work[:len(work)-1]
		s := f.segment(at)
		if s == nil || !s.code() {
			continue
		}
		if seen[s] == nil {
			seen[s] = make([]bool, len(s.bytes))
		}
		for at < s.end() && !seen[s][at-s.addr] {
			seen[s][at-s.addr] = true
			n, ok := scan(s.bytes[at-s.addr:], at)
			if !ok {
				break
			}
			switch {
			case n.flow == flowCall && n.target != 0:
				enter(n.target)
			case n.target != 0:
				work = append(work, n.target)
			}
			if n.flow.ends() {
				break
			}
			at = n.end()
		}
	}
	slices.Sort(c.entries)
	return c
}

// covering returns what lies between the last function at or before an address
// and the next one: at most one whole function, and perhaps others behind it
// that nothing calls directly.
func (c *calls) covering(f *File, addr uint64) (Range, bool) {
	i, found := slices.BinarySearch(c.entries, addr)
	if found {
		i++
	}
	s := f.segment(addr)
	if i == 0 || s == nil || c.entries[i-1] < s.addr {
		return Range{}, false
	}
	r := Range{c.entries[i-1], s.end()}
	if i < len(c.entries) {
		r.End = min(r.End, c.entries[i])
	}
	return r, true
}
