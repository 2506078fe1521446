package patch

import (
	"errors"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

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
// Where no memory for stubs is near enough, more is asked of mmap, unless that is nil.
//
// The process may run. An error says why the site stays as it is.
func (p *Patcher) Patch(pid int, addr uint64, nr int, valid func() bool, mmap Mapper) error {
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
	s, err := p.patch(proc, addr, nr, mmap)
	if s != nil {
		s.note(nr, err)
	}
	if err == errPatched {
		return nil
	}
	return err
}

func (p *Patcher) patch(proc *process, addr uint64, nr int, mmap Mapper) (*Site, error) {
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
		w := writer{p: p, mem: proc, plan: plan, option: o, bias: addr - at, nr: nr, areas: slices.Clone(areas), counter: s.Counter}
		switch err := w.write(); {
		case err == nil:
			s.Shape = o.Shape.String()
			return s, nil
		case err != errNoArea && err != errTaken:
			return s, err
		case why == ErrOffline || err == errNoArea:
			why = err
		}
	}
	if mmap == nil || why != errNoArea {
		return s, why
	}
	for _, o := range plan.Options {
		if !o.Online {
			continue
		}
		a, err := reserve(proc, p.base, o.Stub(addr-at), mmap)
		if err != nil {
			continue
		}
		w := writer{p: p, mem: proc, plan: plan, option: o, bias: addr - at, nr: nr, areas: append(slices.Clone(areas), a), counter: s.Counter}
		if why = w.write(); why == nil {
			s.Shape = o.Shape.String()
		}
		return s, why
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
