package site

import (
	"slices"
)

// maxFunction is the longest function, in bytes, that is decoded for a site.
// The longest that holds one, of all that were looked at, has 20 KiB.
const maxFunction = 256 << 10

// A body is a decoded function.
type body struct {
	insns   []insn   // by address
	targets []uint64 // of its direct branches and jumps, sorted

	// coherent: instructions lie end to end from the first byte to the last,
	// and no branch leads between two of them. Otherwise (there is data among
	// them, or code that overlaps itself) insns are those that control flow
	// reaches.
	coherent bool
	indirect bool // there are jumps to addresses that aren't known
}

// decodeBody decodes forward from a function's first byte. Data that follows a
// jump is told from code by following the control flow.
func decodeBody(code []byte, start uint64) *body {
	if b := sweep(code, start); b != nil {
		return b
	}
	return follow(code, start)
}

// sweep decodes from the first byte to the last, nil if that isn't coherent.
func sweep(code []byte, start uint64) *body {
	b := &body{insns: make([]insn, 0, len(code)/4+1), coherent: true}
	for off := 0; off < len(code); {
		n, ok := scan(code[off:], start+uint64(off))
		if !ok {
			return nil
		}
		b.insns = append(b.insns, n)
		off += int(n.size)
	}
	b.finish()
	end := start + uint64(len(code))
	for _, t := range b.targets {
		if _, ok := b.find(t); !ok && t >= start && t < end {
			return nil
		}
	}
	return b
}

// follow decodes what direct control flow reaches.
func follow(code []byte, start uint64) *body {
	b := &body{}
	seen := make([]bool, len(code))
	work := []uint64{start}
	for len(work) > 0 {
		at := work[len(work)-1]
		work = work[:len(work)-1]
		for at-start < uint64(len(code)) && !seen[at-start] {
			seen[at-start] = true
			n, ok := scan(code[at-start:], at)
			if !ok {
				break
			}
			b.insns = append(b.insns, n)
			if n.flow == flowBranch || n.flow == flowJump {
				work = append(work, n.target)
			}
			if n.flow.ends() {
				break
			}
			at = n.end()
		}
	}
	slices.SortFunc(b.insns, func(x, y insn) int { return int(int64(x.addr - y.addr)) })
	b.finish()
	return b
}

func (b *body) finish() {
	for _, n := range b.insns {
		switch n.flow {
		case flowBranch, flowJump:
			b.targets = append(b.targets, n.target)
		case flowIndirect:
			b.indirect = true
		}
	}
	slices.Sort(b.targets)
	b.targets = slices.Compact(b.targets)
}

// find returns the index of the instruction that begins at an address.
func (b *body) find(addr uint64) (int, bool) {
	return slices.BinarySearchFunc(b.insns, addr, func(n insn, addr uint64) int {
		switch {
		case n.addr < addr:
			return -1
		case n.addr > addr:
			return 1
		}
		return 0
	})
}

// entered tells whether a branch of the function leads into [lo, hi).
func (b *body) entered(lo, hi uint64) bool {
	i, _ := slices.BinarySearch(b.targets, lo)
	return i < len(b.targets) && b.targets[i] < hi
}

// split tells whether control flow also comes by the inside of an instruction,
// as where a branch leads behind a lock prefix.
func (b *body) split(n insn) bool {
	i, _ := b.find(n.addr + 1)
	return i < len(b.insns) && b.insns[i].addr < n.end() || b.entered(n.addr+1, n.end())
}

// before returns the index of the instruction from which control goes on to
// instruction i; the longest, where several end there.
func (b *body) before(i int) (int, bool) {
	const longest = 15
	best, found := 0, false
	for k := i - 1; k >= 0 && b.insns[k].addr+longest >= b.insns[i].addr; k-- {
		if b.insns[k].end() == b.insns[i].addr && !b.insns[k].flow.ends() {
			best, found = k, true
		}
		if b.coherent {
			break
		}
	}
	return best, found
}
