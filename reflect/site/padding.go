package site

// maxPadding is the longest gap between two functions that is taken for
// padding.
const maxPadding = 64

// padding returns bytes near a site that are never executed: what compilers
// put behind a jump or return to align the next function or block.
func (f *File) padding(a *analysis) []Range {
	pads := a.body.padding(false)
	if a.fn.Source != FromFrames {
		return pads
	}
	if a.body.coherent && len(a.body.insns) > 0 && a.body.insns[len(a.body.insns)-1].flow.ends() {
		if gap, ok := f.gap(a.fn.End); ok {
			pads = append(pads, gap)
		}
	}
	// The gap before the function belongs to nobody if the one before it
	// doesn't run into it.
	i := f.frames.find(a.fn.Start - 1)
	if i == 0 {
		return pads
	}
	prev, ok := f.frames.frame(i - 1)
	if !ok || prev.end > a.fn.Start || a.fn.Start-prev.end > maxPadding || prev.start < a.seg.addr ||
		prev.end-prev.start > maxFunction {
		return pads
	}
	gap, ok := f.gap(prev.end)
	if !ok || gap.End != a.fn.Start {
		return pads
	}
	b := decodeBody(a.seg.bytes[prev.start-a.seg.addr:prev.end-a.seg.addr], prev.start)
	if b.coherent && b.insns[len(b.insns)-1].flow.ends() {
		pads = append(pads, gap)
	}
	return pads
}

// gap returns the bytes from a function's end to the next known beginning, if
// they are padding from first to last.
func (f *File) gap(end uint64) (Range, bool) {
	next, ok := f.nextFunction(end - 1)
	if !ok || next <= end || next-end > maxPadding {
		return Range{}, false
	}
	code, ok := f.at(end)
	if !ok || uint64(len(code)) < next-end {
		return Range{}, false
	}
	code = code[:next-end]
	for len(code) > 0 {
		n, ok := scan(code, 0)
		if !ok || !n.pad {
			return Range{}, false
		}
		code = code[n.size:]
	}
	return Range{end, next}, true
}

// padding finds it inside a function: behind an instruction that doesn't go
// on, and entered by no branch. Where there are jumps to unknown addresses one
// might lead to a nop, but to no int3; likely asks for such nops too.
func (b *body) padding(likely bool) []Range {
	if !b.coherent {
		return nil
	}
	var pads []Range
	var open *Range // what is being collected
	for i := 1; i < len(b.insns); i++ {
		n := b.insns[i]
		pad := n.pad && (likely || !b.indirect || n.flow == flowStop) && !b.entered(n.addr, n.addr+1)
		switch {
		case pad && open != nil:
			open.End = n.end()
		case pad && b.insns[i-1].flow.ends():
			pads = append(pads, Range{n.addr, n.end()})
			open = &pads[len(pads)-1]
		default:
			open = nil
		}
	}
	return pads
}
