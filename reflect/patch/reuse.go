package patch

import (
	"bytes"
	"encoding/binary"

	"github.com/sysreflect/sysreflect/vdsoshim"
)

// This file finds what earlier patches of a site left in a process: a library that
// is loaded again and again at one address would fill all memory for stubs.

// content returns what an area has been filled with.
func (a *area) content(m memory) []byte {
	b := make([]byte, min(a.used, a.size))
	if m.read(a.start, b) != nil {
		return nil
	}
	return b
}

// oldRecord finds the site's record.
func (w *writer) oldRecord() (uint64, bool) {
	a := &w.areas[0]
	b := a.content(w.mem)
	for off := header; off+vdsoshim.StubSize <= len(b); off += vdsoshim.StubSize {
		if binary.LittleEndian.Uint64(b[off+vdsoshim.StubSite:]) != w.plan.Site+w.bias {
			continue
		}
		at := a.start + uint64(off)
		if bytes.Equal(b[off:off+vdsoshim.StubSize], w.record(at)) {
			return at, true
		}
	}
	return 0, false
}

// oldStub finds the site's stub in an area.
func (w *writer) oldStub(i int, entry uint64, fold bool) (uint64, bool) {
	a := &w.areas[i]
	b, align := a.content(w.mem), w.align(i)
	for off := uint64(header); off+align <= uint64(len(b)); off += align {
		at := a.start + off
		if !w.option.Stub(w.bias).Contains(at) {
			continue
		}
		code, err := w.code(i, at, entry, fold)
		if err == nil && bytes.HasPrefix(b[off:], code) {
			return at, true
		}
	}
	return 0, false
}
