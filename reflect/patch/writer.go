package patch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/reflect/site"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

// memory is a process's.
type memory interface {
	read(addr uint64, b []byte) error
	write(addr uint64, b []byte) error
}

func readWord(m memory, addr uint64) (uint64, error) {
	var b [8]byte
	err := m.read(addr, b[:])
	return binary.LittleEndian.Uint64(b[:]), err
}

// A writer writes one patch: it takes memory for it, makes sure that nothing is
// in its way, and only then writes.
type writer struct {
	p      *Patcher
	mem    memory
	plan   *site.Plan
	option site.Option
	bias   uint64
	nr     int
	areas  []area // a copy; the first is in the region
	// counter is the site's.
	counter int
	// reuse looks for what an earlier patch of the site left.
	reuse bool
	mmap  Mapper // for landings; nil where nothing may be mapped
	parts []part
}

// A part is something that is written before the jump.
type part struct {
	addr uint64
	code []byte
}

// Why an option can't be taken while another may.
var errTaken = errors.New("the padding that a jump would need is another site's")

func (w *writer) write() error {
	entry, record, fold := w.entry()
	if record {
		at, old := uint64(0), false
		if w.reuse {
			at, old = w.oldRecord()
		}
		if !old {
			var err error
			if at, err = w.areas[0].take(site.Window{Last: ^uint64(0)}, vdsoshim.StubSize, vdsoshim.StubSize); err != nil {
				return err
			}
			w.parts = append(w.parts, part{at, w.record(at)})
		}
		entry += at
	}
	stub, err := w.stub(entry, fold)
	if err != nil {
		return err
	}
	dest, err := w.destination(stub)
	if err != nil {
		return err
	}
	landings, err := w.plan.Landings(w.option, w.bias, w.spec(stub, entry, fold))
	if err != nil {
		return errNoArea
	}
	for _, l := range landings {
		if err := w.land(l); err != nil {
			return err
		}
	}
	patch, err := w.plan.Patch(w.option, w.bias, dest)
	if err != nil {
		return err
	}
	if err := w.untouched(patch); err != nil {
		return err
	}
	for i := range w.areas {
		if err := w.areas[i].keep(w.mem); err != nil {
			return forbidden(err)
		}
	}
	for _, p := range w.parts {
		if err := w.mem.write(p.addr, p.code); err != nil {
			return forbidden(err)
		}
	}
	return w.jump(patch)
}

// entry is what the stub leads to. A call that passes through, and a site that
// may bring any call, need a record.
func (w *writer) entry() (at uint64, record, fold bool) {
	if slices.Contains(w.p.image.Forgets(), w.nr) { // whatever else the site brings: it is made there
		off, _ := w.p.image.Entry(w.nr)
		return w.p.base + off, false, false
	}
	if !w.option.Folded || w.plan.Number != w.nr || w.p.image.Counting {
		return vdsoshim.StubDispatch, true, false
	}
	if off, ok := w.p.image.Entry(w.nr); ok {
		return w.p.base + off, false, true
	}
	if w.p.image.Passes(w.nr) {
		return 0, true, false
	}
	return vdsoshim.StubDispatch, true, false
}

func (w *writer) record(at uint64) []byte {
	return w.p.image.Record(w.p.base, at, w.plan.Site+w.bias, w.counter)
}

// align is how stubs are aligned in an area, in bytes: the region's are units that
// unwinders know.
func (w *writer) align(i int) uint64 {
	if i == 0 {
		return vdsoshim.StubSize
	}
	return 16
}

func (w *writer) spec(at, entry uint64, fold bool) site.StubSpec {
	return site.StubSpec{
		Addr: at, Entry: entry, Fold: fold,
		Table: uint32(w.p.base + vdsoshim.TableOff), Numbers: vdsoshim.DispatchCalls, Answered: vdsoshim.DispatchAnswered,
	}
}

// code is the stub at an address. How long it is depends on where it stands.
func (w *writer) code(i int, at, entry uint64, fold bool) ([]byte, error) {
	stub, err := w.plan.Stub(w.option, w.bias, w.spec(at, entry, fold))
	switch {
	case err != nil || i > 0:
		return stub.Code, err
	case w.option.Shape == site.Call && len(stub.Code) <= vdsoshim.StubSize+vdsoshim.StubUnwind:
		// Two units.
		return slices.Concat(stub.Code[:vdsoshim.StubSize], vdsoshim.Unit(stub.Code[vdsoshim.StubSize:], w.plan.Return(w.bias))), nil
	case len(stub.Code) > vdsoshim.StubUnwind:
		return nil, errNoArea
	}
	return vdsoshim.Unit(stub.Code, w.plan.Return(w.bias)), nil
}

// stub takes memory for the stub wherever the option lets it stand.
func (w *writer) stub(entry uint64, fold bool) (uint64, error) {
	for i := range w.areas {
		if w.reuse {
			if at, ok := w.oldStub(i, entry, fold); ok {
				return at, nil
			}
		}
		a := w.areas[i]
		at, err := a.take(w.option.Stub(w.bias), site.MaxStub, w.align(i))
		if err != nil {
			continue
		}
		code, err := w.code(i, at, entry, fold)
		if err == errNoArea {
			continue
		}
		if err != nil {
			return 0, err
		}
		a.used = at + uint64(len(code)) - a.start
		w.areas[i] = a
		w.parts = append(w.parts, part{at, code})
		return at, nil
	}
	return 0, errNoArea
}

// destination is where the jump leads: the stub, or a word that holds its
// address.
func (w *writer) destination(stub uint64) (uint64, error) {
	if s := w.option.Shape; s != site.Indirect && s != site.IndirectRelay {
		return stub, nil
	}
	at, err := w.areas[0].take(w.option.Dest(w.bias), 8, 8)
	if err != nil {
		return 0, err
	}
	w.parts = append(w.parts, part{at, binary.LittleEndian.AppendUint64(nil, stub)})
	return at, nil
}

// land takes memory for a landing, which has one place.
func (w *writer) land(l site.Landing) error {
	for i := range w.areas {
		a := &w.areas[i]
		switch {
		case !a.contains(l.Addr):
			continue
		case i == 0:
			return errNoArea // where all is units for unwinders
		case l.Addr < a.start+a.used:
			have := make([]byte, len(l.Code))
			if w.mem.read(l.Addr, have) == nil && bytes.Equal(have, l.Code) {
				return nil // as an earlier patch of the site left it
			}
			return errNoArea
		}
		return w.landIn(a, l)
	}
	if w.mmap == nil {
		return errNoArea
	}
	a, err := reserve(w.mem, w.p.base, site.Window{First: l.Addr, Last: l.Addr}, w.mmap)
	if err != nil {
		return err
	}
	w.areas = append(w.areas, a)
	return w.landIn(&w.areas[len(w.areas)-1], l)
}

func (w *writer) landIn(a *area, l site.Landing) error {
	at, err := a.take(site.Window{First: l.Addr, Last: l.Addr}, uint64(len(l.Code)), 1)
	if err == nil {
		w.parts = append(w.parts, part{at, l.Code})
	}
	return err
}

// jump makes the site lead to the stub. Each page is made the process's own
// before the store that counts, by a store of what is there: the kernel puts
// the copy in place while other threads run.
func (w *writer) jump(patch site.Patch) error {
	last := len(patch.Writes) - 1
	for _, wr := range patch.Writes[:last] { // padding: nobody executes it yet
		if err := w.mem.write(wr.Addr, wr.New); err != nil {
			return forbidden(err)
		}
	}
	wr := patch.Writes[last]
	addr, _, _, ok := wr.Word()
	if !ok {
		return ErrOffline
	}
	// As the process has it: another site's patch may share the word.
	var word [8]byte
	if err := w.mem.read(addr, word[:]); err != nil {
		return err
	}
	if err := w.mem.write(addr, word[:]); err != nil {
		return forbidden(err)
	}
	copy(word[wr.Addr-addr:], wr.New)
	return forbidden(w.mem.write(addr, word[:]))
}

func forbidden(err error) error {
	if err == unix.EIO || err == unix.EFAULT || err == unix.EPERM {
		return fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	return err
}
