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
}

// header is what the first stub leaves free.
const header = vdsoshim.StubSize

var errNoArea = errors.New("no memory for stubs is near enough")

// areas reads from the link page where the handoff mapped memory for stubs. The
// first is in the region, below 2 GiB.
func areas(p *process, base uint64) ([]area, error) {
	low, err := p.readWord(base + vdsoshim.LinkOff + 8*vdsoshim.LinkStubs)
	if err != nil {
		return nil, err
	}
	if low != base+vdsoshim.StubsOff {
		return nil, errNoArea
	}
	out := []area{{low, vdsoshim.StubsSize}}
	for _, word := range []uint64{vdsoshim.LinkNearProgram, vdsoshim.LinkNearLibraries} {
		at, err := p.readWord(base + vdsoshim.LinkOff + 8*word)
		if err != nil {
			return nil, err
		}
		if at != 0 {
			out = append(out, area{at, vdsoshim.NearSize})
		}
	}
	return out, nil
}

// place finds room for n bytes at an aligned address in a window.
func (a area) place(p *process, w site.Window, n, align uint64) (uint64, error) {
	used, err := p.readWord(a.start)
	if err != nil {
		return 0, err
	}
	at := (a.start + max(used, header) + align - 1) &^ (align - 1)
	if used > a.size || at+n > a.start+a.size || !w.Contains(at) {
		return 0, errNoArea
	}
	return at, nil
}

// put writes code at an address that place gave. The area's length is written
// first: what a failure in between leaves is only lost.
func (a area) put(p *process, at uint64, code []byte) error {
	var used [8]byte
	binary.LittleEndian.PutUint64(used[:], at+uint64(len(code))-a.start)
	if err := p.write(a.start, used[:]); err != nil {
		return err
	}
	return p.write(at, code)
}
