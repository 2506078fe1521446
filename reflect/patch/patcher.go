package patch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/reflect/site"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

// A Patcher patches the sites of one run's programs. Its methods may be called
// by any number of goroutines.
type Patcher struct {
	// NoCache opens and analyzes a file at every patch. Set it before the first.
	NoCache bool

	base  uint64
	image *vdsoshim.Built

	mu    sync.Mutex
	files files
	sites map[siteID]*Site
	order []*Site
}

// New makes a patcher for programs that have image at base. The image's answers
// (see vdsoshim.Options) decide which calls are patched.
func New(base uint64, image *vdsoshim.Built) *Patcher {
	return &Patcher{base: base, image: image, files: files{byID: map[identity]*file{}}, sites: map[siteID]*Site{}}
}

// Why a site is not patched, besides a [site.Refusal].
var (
	ErrNoFile    = errors.New("not code from a file")
	ErrWritable  = errors.New("the program may write this code")
	ErrShared    = errors.New("shared memory")
	ErrForbidden = errors.New("the kernel forbids writing to code (proc_mem.force_override)")
	ErrModified  = errors.New("the code is not what its file says")
	ErrOffline   = errors.New("only safe before any thread runs there")
	errPatched   = errors.New("patched already")
)

// Patch makes the site at addr, a `syscall` instruction that has just been
// executed in process pid with system call number nr, lead into the shim. valid is asked
// once the process's memory is open: whether pid is still that process.
//
// The process may run. An error says why the site stays as it is.
func (p *Patcher) Patch(pid int, addr uint64, nr int, valid func() bool) error {
	proc, err := open(pid)
	if err != nil {
		return err
	}
	defer proc.close()
	if !valid() {
		return unix.ESRCH
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.patch(proc, addr, nr)
	if s != nil {
		s.note(nr, err)
	}
	if err == errPatched {
		return nil
	}
	return err
}

func (p *Patcher) patch(proc *process, addr uint64, nr int) (*Site, error) {
	m, err := proc.mapping(addr)
	if err != nil {
		return nil, err
	}
	f, at, err := p.locate(proc, m, addr)
	s := p.site(m, addr, at)
	if err != nil {
		return s, err
	}
	plan, err := f.plan(at)
	if err != nil {
		return s, err
	}
	s.Function, s.Number = plan.Function.Name, plan.Number
	areas, err := areas(proc, p.base)
	if err != nil {
		return s, err
	}
	why := ErrOffline
	for _, o := range plan.Options {
		if !o.Online {
			continue
		}
		w := writer{p: p, proc: proc, plan: plan, option: o, bias: addr - at, nr: nr, low: areas[0], counter: s.Counter}
		switch why = w.write(areas); {
		case why == nil:
			s.Shape = o.Shape.String()
			return s, nil
		case !errors.Is(why, errNoArea):
			return s, why
		}
	}
	return s, why
}

// locate finds the file that an address's code is from, and the address as
// linked.
func (p *Patcher) locate(proc *process, m mapping, addr uint64) (*file, uint64, error) {
	switch {
	case len(m.perms) != 4 || m.perms[2] != 'x':
		return nil, 0, errUnmapped
	case m.perms[1] == 'w':
		return nil, 0, ErrWritable
	case m.perms[3] == 's':
		return nil, 0, ErrShared
	case m.inode == 0:
		return nil, 0, ErrNoFile
	}
	if p.NoCache {
		p.files.forget()
	}
	f, err := p.files.find(proc, m)
	if err != nil {
		return nil, 0, err
	}
	bias, ok := f.code.Bias(m.start, m.offset)
	if !ok {
		return nil, 0, ErrModified
	}
	return f, addr - bias, nil
}

// A writer writes one patch.
type writer struct {
	p      *Patcher
	proc   *process
	plan   *site.Plan
	option site.Option
	bias   uint64
	nr     int
	low    area
	// counter is the site's.
	counter int
}

func (w *writer) write(areas []area) error {
	entry, record, fold := w.entry()
	if record {
		at, err := w.low.place(w.proc, site.Window{Last: ^uint64(0)}, vdsoshim.StubSize, vdsoshim.StubSize)
		if err != nil {
			return err
		}
		if err := w.low.put(w.proc, at, w.p.image.Record(w.p.base, at, w.plan.Site+w.bias, w.counter)); err != nil {
			return forbidden(err)
		}
		entry += at
	}
	for _, a := range areas {
		// How long a stub is depends on where it stands.
		const align = 16
		at, err := a.place(w.proc, w.option.Stub(w.bias), site.MaxStub, align)
		if err == errNoArea {
			continue
		}
		if err != nil {
			return err
		}
		stub, err := w.plan.Stub(w.option, w.bias, site.StubSpec{Addr: at, Entry: entry, Fold: fold})
		if err != nil {
			return err
		}
		if err := a.put(w.proc, at, stub.Code); err != nil {
			return forbidden(err)
		}
		dest, err := w.destination(at)
		if err != nil {
			return err
		}
		patch, err := w.plan.Patch(w.option, w.bias, dest)
		if err != nil {
			return err
		}
		if err := w.untouched(patch); err != nil {
			return err
		}
		return w.jump(patch)
	}
	return errNoArea
}

// entry is what the stub leads to. A call that passes through, and a site that
// may bring any call, need a record.
func (w *writer) entry() (at uint64, record, fold bool) {
	if !w.option.Folded || w.plan.Number != w.nr || w.p.image.Counting {
		return vdsoshim.StubDispatch, true, false
	}
	if off, ok := w.p.image.Entry(w.nr); ok {
		return w.p.base + off, false, true
	}
	return 0, true, false
}

// destination is where the jump leads: the stub, or a word that holds its
// address.
func (w *writer) destination(stub uint64) (uint64, error) {
	if s := w.option.Shape; s != site.Indirect && s != site.IndirectRelay {
		return stub, nil
	}
	at, err := w.low.place(w.proc, w.option.Dest(w.bias), 8, 8)
	if err != nil {
		return 0, err
	}
	return at, forbidden(w.low.put(w.proc, at, binary.LittleEndian.AppendUint64(nil, stub)))
}

// untouched makes sure that the process has the code that was analyzed.
func (w *writer) untouched(patch site.Patch) error {
	want := w.plan.Code(patch, w.bias)
	have := make([]byte, len(want))
	if err := w.proc.read(patch.Keep.Start, have); err != nil {
		return err
	}
	if bytes.Equal(have, want) {
		return nil
	}
	for _, wr := range patch.Writes {
		n := len(wr.New)
		if off := wr.Addr - patch.Keep.Start; off+1 <= uint64(len(have)) && n > 0 && have[off] != want[off] {
			return errPatched
		}
	}
	return ErrModified
}

// jump makes the site lead to the stub. Each page is made the process's own
// before the store that counts, by a store of what is there: the kernel puts
// the copy in place while other threads run.
func (w *writer) jump(patch site.Patch) error {
	last := len(patch.Writes) - 1
	for i, wr := range patch.Writes {
		if i < last { // padding: nobody executes it yet
			if err := w.proc.write(wr.Addr, wr.New); err != nil {
				return forbidden(err)
			}
			continue
		}
		addr, _, _, ok := wr.Word()
		if !ok {
			return ErrOffline
		}
		// As the process has it: another site's patch may share the word.
		var word [8]byte
		if err := w.proc.read(addr, word[:]); err != nil {
			return err
		}
		if err := w.proc.write(addr, word[:]); err != nil {
			return forbidden(err)
		}
		copy(word[wr.Addr-addr:], wr.New)
		if err := w.proc.write(addr, word[:]); err != nil {
			return forbidden(err)
		}
	}
	return nil
}

func forbidden(err error) error {
	if err == unix.EIO || err == unix.EFAULT || err == unix.EPERM {
		return fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	return err
}
