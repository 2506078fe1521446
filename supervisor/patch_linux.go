package supervisor

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/reflect/patch"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

// patchAfter is how many notifications a thread makes from one site before the
// site is patched: patching takes as long as a handful of them, and most programs
// make only one or two.
const patchAfter = 2

// visitAfter is how many before a site is worth a visit: the thread is attached to
// and maps more memory for stubs, which takes as long as some dozen of them.
const visitAfter = 64

// maxHits bounds what is remembered of sites that are not yet, or can't be,
// patched; beyond it counting begins anew.
const maxHits = 4096

// syscallInsn is the length of the instruction, in bytes: a notification tells
// the address behind it.
const syscallInsn = 2

// patching decides which of a run's notifications lead to a patch.
type patching struct {
	patcher *patch.Patcher
	calls   [tableSize]bool // by number: a notification may lead to a patch
	told    [tableSize]bool // or the handler's word: has an answer in the shim
	follow  bool            // count each site's notifications
	// Who may write to code: nobody but a tracer, or nobody at all.
	traced, never atomic.Bool
	turns         turns

	mu       sync.Mutex
	hits     map[hit]int
	followed map[hit]*patch.Site
	visited  map[hit]struct{} // threads that were visited, and have yet to tell of their site once more
}

// A hit is one thread at one site. Threads of one process are counted apart,
// since their process is not known without asking.
type hit struct {
	tid int32
	ip  uint64
}

// answers are the calls that patched sites lead into the shim for.
func (r *run) answers() map[int]vdsoshim.Answer {
	out := map[int]vdsoshim.Answer{}
	for nr := range vdsoshim.DispatchCalls {
		if r.moves(nr) {
			out[nr] = vdsoshim.Answer{Kind: vdsoshim.AnswerKernel}
		}
	}
	for _, c := range r.plan.Patched() {
		switch c.Kind {
		case policy.PatchShim:
			out[c.Nr] = vdsoshim.Answer{Kind: vdsoshim.AnswerGenerator}
		case policy.PatchConstant:
			out[c.Nr] = vdsoshim.Answer{Kind: vdsoshim.AnswerConstant, Value: c.Value}
		case policy.PatchPass:
			out[c.Nr] = vdsoshim.Answer{Kind: vdsoshim.AnswerKernel}
		}
	}
	return out
}

func (r *run) newPatching(c *Cmd, built *vdsoshim.Built, answers map[int]vdsoshim.Answer) *patching {
	if len(answers) == 0 {
		return nil
	}
	patcher := patch.New(r.base, built)
	patcher.NoCache = c.NoPatchCache
	p := &patching{patcher: patcher, follow: c.FollowSites, hits: map[hit]int{}, followed: map[hit]*patch.Site{}, visited: map[hit]struct{}{}}
	for nr := range answers {
		p.told[nr] = true
		_, p.calls[nr] = r.plan.PatchedCall(nr)
	}
	return p
}

// takePatching makes what a successor needs to patch on. The image is in the
// programs already; completed once more, it says where its entries are.
func (r *run) takePatching() error {
	answers := r.answers()
	if len(answers) == 0 {
		return nil
	}
	kernel, _, err := vdsoshim.Kernel()
	if err != nil {
		return fmt.Errorf("read the kernel's vDSO: %w", err)
	}
	built, err := vdsoshim.Complete(vdsoshim.Options{Kernel: kernel, Bind: r.binding, Answers: answers})
	if err != nil {
		return err
	}
	r.patching = r.newPatching(&Cmd{}, built, answers)
	return nil
}

// wants counts a notification and tells whether its site is to be patched now, and
// whether that is worth a visit.
func (p *patching) wants(h hit) (now, visit bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.hits) >= maxHits {
		clear(p.hits)
	}
	p.hits[h]++
	all := hit{ip: h.ip} // no thread has number 0
	p.hits[all]++
	switch n := p.hits[h]; {
	case n < patchAfter:
		// Each thread may make the call once, and then end. Processes have their
		// code at the same address only where they don't make it random, so this
		// is mostly one of them; where it isn't, the intervals grow.
		n := p.hits[all]
		return n > patchAfter && n&(n-1) == 0, n >= visitAfter
	default:
		// And again: code is mapped anew, or an id is given to another thread.
		return n&(n-1) == 0, n >= visitAfter
	}
}

// again takes back what wants counted: another patch was being made, and the same call, or
// the next, will do as well.
func (p *patching) again(h hit) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range []hit{h, {ip: h.ip}} {
		if p.hits[h] > 0 {
			p.hits[h]--
		}
	}
}

// visits takes down that a thread that told of a site is visited for it: it tells again
// when it is let go ([visit]), and that is to have its answer.
func (p *patching) visits(h hit) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.visited) >= maxHits {
		clear(p.visited)
	}
	p.visited[h] = struct{}{}
}

// visitedNow reports, once, whether that is so.
func (p *patching) visitedNow(h hit) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.visited[h]
	delete(p.visited, h)
	return ok
}

// count counts a notification for its site, which is looked up once for each
// thread. Before that long is called.
func (p *patching) count(h hit, nr int, long func()) {
	p.mu.Lock()
	s := p.followed[h]
	p.mu.Unlock()
	if s != nil {
		p.patcher.Count(s, nr)
		return
	}
	long()
	if s = p.patcher.Follow(int(h.tid), h.ip-syscallInsn, nr); s == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.followed) >= maxHits {
		clear(p.followed)
	}
	p.followed[h] = s
}

// forget drops what is known of a thread's code: it has executed another program.
func (p *patching) forget(tid int) {
	if p == nil {
		return
	}
	p.patcher.Executed()
	p.mu.Lock()
	defer p.mu.Unlock()
	for h := range p.hits {
		if h.tid == int32(tid) {
			delete(p.hits, h)
		}
	}
	for h := range p.followed {
		if h.tid == int32(tid) {
			delete(p.followed, h)
		}
	}
}

// patch makes the site of a call that waits for its answer lead into the shim.
// Why it can't is the patcher's to remember: the site goes on as it is. True means
// that the call has had its answer, which is to make it again, or waits for its turn.
func (s *server) patch() (answered bool) {
	p, n := s.r.patching, &s.n
	if p == nil || n.pid == 0 || !p.calls[n.nr] {
		return false
	}
	h := hit{int32(n.pid), n.ip}
	if now, far := p.wants(h); now && p.may(far) {
		v := visit{r: s.r, n: n, waits: s.handOn}
		err := s.patchBy(&v, n.ip, int(n.nr), far && !s.r.plain)
		v.end()
		if err == errTurn || err == patch.ErrBusy {
			p.again(h)
		}
		if errors.Is(err, patch.ErrForbidden) {
			s.forbidden(&v)
		}
		if err == patch.ErrLost {
			s.r.count(err.Error()+": served by notification", "process "+strconv.Itoa(int(n.pid))+exeName(int(n.pid)))
		}
		answered = v.answered || err == errTurn // and is made or served again, and counted then
	}
	if p.follow && !answered {
		p.count(h, int(n.nr), s.handOn)
	}
	return answered
}

// patchBy patches the site that ends at back, of a call of a thread that waits, attached
// to it where that is needed and worth it. With errTurn the call waits for its turn.
func (s *server) patchBy(v *visit, back uint64, nr int, far bool) error {
	p := s.r.patching
	if err := p.turns.take(&s.n, s.r.overdue); err != nil {
		return err
	}
	s.r.lead.slow.Add(1)
	defer s.r.lead.slow.Add(-1)
	s.handOn()
	defer func() { s.waited, s.patched = append(s.waited, p.turns.pass()...), back }()
	var mmap patch.Mapper
	if far {
		mmap = v.mmap
		if p.traced.Load() && !v.attach() {
			return unix.ESRCH
		}
	}
	return p.patcher.Patch(int(s.n.pid), back-syscallInsn, nr, func() bool { return s.stillThere(v) }, mmap)
}

// stillThere tells whether the thread that waits is still that one. One that is held is.
func (s *server) stillThere(v *visit) bool { return v.t != nil || notifValid(s.r.listener, s.n.id) }

// may tells whether the kernel lets us write to code now, as far as is known.
func (p *patching) may(far bool) bool { return !p.never.Load() && (far || !p.traced.Load()) }

// forbidden takes down that the kernel forbade to write to a program's code: to all but
// tracers (proc_mem.force_override=ptrace), or to them too (never).
func (s *server) forbidden(v *visit) {
	p := s.r.patching
	if writesForced() {
		return // there, code was unmapped meanwhile
	}
	if v.t == nil && !s.r.plain {
		p.traced.Store(true)
		return
	}
	if !p.never.Swap(true) {
		s.r.miss(patch.ErrForbidden.Error()+": call sites are not patched, but served by notification", "")
	}
}

// writesForced tells whether the kernel lets /proc/PID/mem write to read-only memory:
// it asks for our own.
var writesForced = sync.OnceValue(func() bool {
	page, err := unix.Mmap(-1, 0, vdsoshim.PageSize, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return true
	}
	defer unix.Munmap(page)
	fd, err := unix.Open("/proc/self/mem", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	_, err = unix.Pwrite(fd, []byte{1}, addressOf(page))
	return err == nil
})

// patched names what serves a rule's calls at patched sites.
func (r *run) patched(rule *policy.Rule) string {
	if rule.Action.Kind == policy.Shim {
		if c, _ := r.plan.PatchedCall(rule.Nr); c.Kind == policy.PatchPass {
			return "kernel"
		}
		return "shim"
	}
	return implementation(rule)
}
