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
	var out []area
	for _, word := range []uint64{vdsoshim.LinkStubs, vdsoshim.LinkNearProgram, vdsoshim.LinkNearLibraries} {
		a := area{size: vdsoshim.NearSize}
		var err error
		if a.start, err = readWord(m, base+vdsoshim.LinkOff+8*word); err != nil {
			return nil, err
		}
		switch {
		case word == vdsoshim.LinkStubs:
			if a.start != base+vdsoshim.StubsOff {
				return nil, errNoArea
			}
			a.size = vdsoshim.StubsSize
		case a.start == 0:
			continue
		}
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
	at := (a.start + a.used + align - 1) &^ (align - 1)
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
