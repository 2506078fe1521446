package patch

import (
	"errors"
	"slices"
	"time"

	"github.com/sysreflect/sysreflect/reflect/site"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

// A siteID is one site of one file, or of no file.
type siteID struct {
	dev, inode uint64
	at         uint64
}

// A Site is what is known of one `syscall` instruction over all processes.
type Site struct {
	Module   string // path of the file; "" where the code is from none
	Offset   uint64 // address as linked; where the code is from no file, in memory
	Function string // that it stands in, "" if unknown
	Calls    []int  // numbers it was notified with, in order
	Number   int    // the only one that it can bring, else -1
	Shape    string // of the jump, "" while it is not patched
	Patched  uint64 // times it was patched, in as many processes
	Notified uint64 // calls that were notified; 0 unless sites are followed
	Trapped  uint64 // calls that were trapped, of those that were told of; 0 unless sites are followed
	Counter  int    // of calls that came by the patch, among the region's; 0 if there is none left
	Err      error  // why it was not patched, the last time
}

// TrapCounters is how much higher than that of patched calls the number of a site's counter of
// trapped ones is.
const TrapCounters = vdsoshim.CounterSites / 2

// maxSites bounds how many are told apart: code that programs make stands
// somewhere else each time.
const maxSites = 1 << 16

func (p *Patcher) site(m mapping, addr, at uint64) *Site {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := siteID{m.dev, m.inode, at}
	if m.inode == 0 || at == 0 {
		id.at = addr
	}
	s := p.sites[id]
	if s == nil {
		s = &Site{Module: m.path, Offset: id.at, Number: -1}
		if len(p.order) >= maxSites {
			return s
		}
		if n := len(p.order) + 1; n < TrapCounters {
			s.Counter = n
		}
		p.sites[id] = s
		p.order = append(p.order, s)
	}
	return s
}

func (s *Site) note(nr int, plan *site.Plan, shape site.Shape, err error) {
	s.called(nr)
	if plan != nil {
		s.Function, s.Number = plan.Function.Name, plan.Number
	}
	switch {
	case err == nil:
		s.Patched++
		s.Shape = shape.String()
	case !errors.Is(err, errPatched):
		s.Err = err
	}
}

// Sites returns what is known, in the order in which sites were met.
func (p *Patcher) Sites() []Site {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Site, len(p.order))
	for i, s := range p.order {
		out[i] = *s
		out[i].Calls = slices.Clone(s.Calls)
	}
	return out
}

// Follow counts a notified call at the site at addr in process pid, and returns
// what makes the next of them cheap to count.
func (p *Patcher) Follow(pid int, addr uint64, nr int) *Site {
	s := p.find(pid, addr)
	if s != nil {
		p.Count(s, nr)
	}
	return s
}

// Trapped counts a trapped call at a site, and returns the number of the counter for those
// that follow, 0 where there is none.
func (p *Patcher) Trapped(pid int, addr uint64, nr int) int {
	s := p.find(pid, addr)
	if s == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Trapped++
	s.called(nr)
	if s.Counter == 0 {
		return 0
	}
	return TrapCounters + s.Counter
}

// lookWait bounds how long a patch that is being made is waited for: the file that it reads
// may be served by the thread that a site is looked up for.
const lookWait = 100 * time.Millisecond

// look takes p.making. False means that it takes too long; who comes later, while the same
// patch is made, does not wait.
func (p *Patcher) look() bool {
	for end := time.Now().Add(lookWait); !p.making.TryLock(); time.Sleep(time.Millisecond) {
		turn := p.turn.Load()
		if p.slow.Load() == turn {
			return false
		}
		if time.Now().After(end) {
			p.slow.Store(turn)
			return false
		}
	}
	p.turn.Add(1)
	return true
}

// find returns the site at addr in process pid, nil if the process is gone, or a patch takes long.
func (p *Patcher) find(pid int, addr uint64) *Site {
	proc, err := open(pid)
	if err != nil {
		return nil
	}
	defer proc.close()
	m, err := proc.mapping(addr)
	if err != nil {
		return nil
	}
	if !p.look() {
		return nil
	}
	_, at, _ := p.locate(proc, m, addr)
	p.making.Unlock()
	return p.site(m, addr, at)
}

// Count counts one more notified call at a site.
func (p *Patcher) Count(s *Site, nr int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Notified++
	s.called(nr)
}

func (s *Site) called(nr int) {
	if i, found := slices.BinarySearch(s.Calls, nr); !found {
		s.Calls = slices.Insert(s.Calls, i, nr)
	}
}
