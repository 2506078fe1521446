package patch

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"

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

	// making is held while a patch is made, mu where only sites are looked at.
	making   sync.Mutex
	files    files
	kept     *process // the last one; nil if there is none
	keptAt   uint64   // what executed was
	executed atomic.Uint64
	// turn counts how often making was taken, slow is the turn that takes too long to wait for.
	turn, slow atomic.Uint64

	mu    sync.Mutex
	told  telling
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
	ErrNoFile     = errors.New("not code from a file")
	ErrWritable   = errors.New("the program may write this code")
	ErrUnreadable = errors.New("the program may not read this code") // where answers look for breakpoints
	ErrShared     = errors.New("shared memory")
	ErrForbidden  = errors.New("the kernel forbids writing to code (proc_mem.force_override)")
	ErrModified   = errors.New("the code is not what its file says")
	ErrOffline    = errors.New("only safe before any thread runs there")
	ErrLost       = errors.New("the program has unmapped the shim, or mapped something over it")
	errPatched    = errors.New("patched already")
	ErrBusy       = errors.New("another patch is being made") // and the next call will do
)

// Patch makes the site at addr, a `syscall` instruction that has just been
// executed in process pid with system call number nr, lead into the shim. valid is asked
// once the process's memory is open: whether pid is still that process.
//
// Where no memory for stubs is near enough, more is asked of mmap, unless that is nil.
//
// The process may run. An error says why the site stays as it is. While another
// patch is being made nothing is done: the file that it waits for may be served by
// the thread that is to be patched here.
func (p *Patcher) Patch(pid int, addr uint64, nr int, valid func() bool, mmap Mapper) error {
	f, m, err := p.patchSite(pid, addr, nr, valid, mmap)
	if f != nil && err == nil {
		p.forgetful(pid, f, m, valid)
	}
	if err == errPatched {
		return nil
	}
	return err
}

func (p *Patcher) patchSite(pid int, addr uint64, nr int, valid func() bool, mmap Mapper) (*file, mapping, error) {
	if !p.making.TryLock() {
		return nil, mapping{}, ErrBusy
	}
	defer p.making.Unlock()
	p.turn.Add(1)
	proc, m, err := p.process(pid, addr)
	if err != nil {
		return nil, m, err
	}
	if !valid() {
		return nil, m, unix.ESRCH
	}
	// Valgrind unmaps the vDSO, which the shim is to it (setup_client_stack,
	// coregrind/m_initimg/initimg-linux.c).
	if image, err := proc.mapping(p.base); err != nil || image.start != p.base || image.perms != "r-xp" {
		return nil, m, ErrLost
	}
	f, at, err := p.locate(proc, m, addr)
	s := p.site(m, addr, at)
	var plan *site.Plan
	var shape site.Shape
	if err == nil && f.plans[at] == nil {
		err = p.files.need(f, proc, m)
	}
	if err == nil {
		plan, err = f.plan(at)
	}
	if err == nil {
		shape, err = p.patch(proc, plan, addr-at, nr, s.Counter, mmap)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.note(nr, plan, shape, err)
	return f, m, err
}

// process opens a process, and finds what is mapped at an address. The last one is kept
// open, since a program's sites are mostly patched one after the other. What is open is
// the memory of then: an exec gives the process another ([Patcher.Executed]), and of one
// that has ended nothing is mapped any more.
func (p *Patcher) process(pid int, addr uint64) (*process, mapping, error) {
	executed := p.executed.Load()
	if k := p.kept; k != nil {
		if k.pid == pid && p.keptAt == executed {
			if m, err := k.mapping(addr); err == nil {
				return k, m, nil
			}
		}
		k.close()
		p.kept = nil
		p.files.leave()
	}
	k, err := open(pid)
	if err != nil {
		return nil, mapping{}, err
	}
	p.kept, p.keptAt = k, executed
	m, err := k.mapping(addr)
	return k, m, err
}

// Executed tells that a process executes another program. That may be umount(8), so
// no file is kept mapped, unless a patch is being made.
func (p *Patcher) Executed() {
	p.executed.Add(1)
	if p.making.TryLock() {
		p.files.leave()
		p.making.Unlock()
	}
}

// Close gives back what the patcher keeps open. It can be used again.
func (p *Patcher) Close() {
	p.making.Lock()
	defer p.making.Unlock()
	if p.kept != nil {
		p.kept.close()
		p.kept = nil
	}
}

// patch patches a site with the memory that there is or, if that is full, with what
// it had before, or with more.
func (p *Patcher) patch(mem memory, plan *site.Plan, bias uint64, nr, counter int, mmap Mapper) (site.Shape, error) {
	areas, err := areas(mem, p.base)
	if err != nil {
		return 0, err
	}
	shape, why := p.options(mem, plan, bias, nr, counter, areas, false)
	if why == errNoArea {
		shape, why = p.options(mem, plan, bias, nr, counter, areas, true)
	}
	passed := why == errPassedBy
	if passed {
		why = errPatched
	}
	if mmap == nil || why != errNoArea && !passed {
		return shape, why
	}
	for _, o := range plan.Options {
		if !o.Online || o.Bypassed && passed {
			continue
		}
		w := writer{p: p, mem: mem, plan: plan, option: o, bias: bias, nr: nr, areas: slices.Clone(areas), counter: counter, mmap: mmap}
		if err := w.write(); err != errNoArea && err != errTaken {
			return o.Shape, err
		}
		a, err := reserve(mem, p.base, o.Stub(bias), mmap)
		if err != nil {
			continue
		}
		areas = append(areas, a)
		w.areas, w.parts = slices.Clone(areas), nil
		if err := w.write(); err != errNoArea && err != errTaken {
			return o.Shape, err
		}
	}
	return 0, why
}

// errPassedBy means that a site is patched where a branch of its function leads past the jump.
var errPassedBy = errors.New("patched where a branch leads past it")

// options tries a plan's options, best first. Where calls keep coming from a site that is
// patched, by a branch that leads past the jump, they may be met by another jump behind that.
func (p *Patcher) options(mem memory, plan *site.Plan, bias uint64, nr, counter int, areas []area, reuse bool) (site.Shape, error) {
	why := ErrOffline
	for _, o := range plan.Options {
		if !o.Online || o.Bypassed && why == errPassedBy {
			continue
		}
		w := writer{p: p, mem: mem, plan: plan, option: o, bias: bias, nr: nr, areas: slices.Clone(areas), counter: counter, reuse: reuse}
		switch err := w.write(); {
		case err == nil:
			return o.Shape, nil
		case err == errPatched && o.Bypassed:
			why = errPassedBy
		case err != errNoArea && err != errTaken:
			return 0, err
		case why == ErrOffline || err == errNoArea:
			why = err
		}
	}
	return 0, why
}

// locate finds the file that an address's code is from, and the address as
// linked.
func (p *Patcher) locate(proc *process, m mapping, addr uint64) (*file, uint64, error) {
	switch {
	case len(m.perms) != 4 || m.perms[2] != 'x':
		return nil, 0, errUnmapped
	case m.perms[1] == 'w':
		return nil, 0, ErrWritable
	case m.perms[0] != 'r':
		return nil, 0, ErrUnreadable
	case m.perms[3] == 's':
		return nil, 0, ErrShared
	case m.inode == 0:
		return nil, 0, ErrNoFile
	}
	if p.NoCache {
		p.files.forget()
	}
	f, err := proc.found, error(nil)
	if f == nil || proc.of != m || proc.forgotten != p.files.forgotten {
		if f, err = p.files.find(proc, m); err != nil {
			return nil, 0, err
		}
		proc.found, proc.of, proc.forgotten = f, m, p.files.forgotten
	}
	bias, ok := f.code.Bias(m.start, m.offset)
	if !ok {
		return nil, 0, ErrModified
	}
	return f, addr - bias, nil
}
