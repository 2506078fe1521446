package patch

import (
	"encoding/binary"
	"errors"

	"github.com/sysreflect/sysreflect/reflect/site"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

// An area is memory for stubs in a process. Its first word is the number of
// bytes in use, that word included; 0 means that nothing is.
type area struct {
	start, size uint64
	used        uint64 // bytes, with what was taken for the patch being made
	taken       bool
}

// header is what the first stub leaves free.
const header = vdsoshim.StubSize

var errNoArea = errors.New("no memory for stubs is near enough")

// areas reads from the link page where the handoff mapped memory for stubs. The
// first is in the region, below 2 GiB.
func areas(m memory, base uint64) ([]area, error) {
	const first, end = vdsoshim.LinkStubs, vdsoshim.LinkNearLater + vdsoshim.NearLater
	var words [8 * (end - first)]byte
	if err := m.read(base+vdsoshim.LinkOff+8*first, words[:]); err != nil {
		return nil, err
	}
	var out []area
	for word := range uint64(end - first) {
		a := area{start: binary.LittleEndian.Uint64(words[8*word:]), size: vdsoshim.NearSize}
		switch {
		case word == 0:
			if a.start != base+vdsoshim.StubsOff {
				return nil, errNoArea
			}
			a.size = vdsoshim.StubsSize
		case a.start == 0:
			continue
		}
		var err error
		if a.used, err = readWord(m, a.start); err != nil {
			return nil, err
		}
		a.used = max(a.used, header)
		out = append(out, a)
	}
	return out, nil
}

// take finds room for n bytes at an aligned address in a window. Nothing is
// written yet.
func (a *area) take(w site.Window, n, align uint64) (uint64, error) {
	at := (max(a.start+a.used, w.First) + align - 1) &^ (align - 1)
	if a.used > a.size || at+n > a.start+a.size || !w.Contains(at) {
		return 0, errNoArea
	}
	a.used, a.taken = at+n-a.start, true
	return at, nil
}

// keep writes down what was taken. It comes before the code, so that what a
// failure in between leaves is only lost.
func (a *area) keep(m memory) error {
	if !a.taken {
		return nil
	}
	var used [8]byte
	binary.LittleEndian.PutUint64(used[:], a.used)
	return m.write(a.start, used[:])
}

func (a *area) contains(addr uint64) bool { return addr-a.start < a.size }

// A Mapper maps fresh memory, readable and executable, at exactly an address
// in the process that is being patched, and tells whether it could.
type Mapper func(addr, size uint64) bool

// reserve maps an area in which stubs can stand for a window, and notes it in the
// link page.
func reserve(m memory, base uint64, w site.Window, mmap Mapper) (area, error) {
	const page = vdsoshim.PageSize
	if w.Empty() || w.Last < vdsoshim.NearSize {
		return area{}, errNoArea
	}
	for word := uint64(vdsoshim.LinkNearLater); word < vdsoshim.LinkNearLater+vdsoshim.NearLater; word++ {
		slot := base + vdsoshim.LinkOff + 8*word
		if at, err := readWord(m, slot); err != nil || at != 0 {
			continue
		}
		// Here and there in the window; a small one is tried from below, so
		// that all of it is within.
		first := (max(w.First, page+header) - header) &^ (page - 1)
		step := max((w.Last-w.First)/4&^(page-1), vdsoshim.NearSize)
		for at, tries := first, 0; at <= w.Last && tries < 4; at, tries = at+step, tries+1 {
			if mmap(at, vdsoshim.NearSize) {
				return area{start: at, size: vdsoshim.NearSize, used: header}, m.write(slot, binary.LittleEndian.AppendUint64(nil, at))
			}
		}
		break
	}
	return area{}, errNoArea
}
