package supervisor

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/bpf"
	"github.com/sysreflect/sysreflect/internal/early"
	"github.com/sysreflect/sysreflect/policy"
)

// maxReceivers bounds the threads that serve one run. Each handoff occupies one
// for some hundred microseconds; where all but one are occupied, more wait their turn.
const maxReceivers = 48

// minReceivers is how many threads stay to wait for notifications when nothing
// happens: one to take the next, one for what comes while the first is busy. A
// run begins with one; many programs need no more.
const minReceivers = 2

// A run is one program with all of its descendants, served through one
// listener.
//
// Lock order: none is held while another is taken. Whatever the serving path
// reads is immutable once the receivers start, or atomic.
type run struct {
	plan     *policy.Plan
	entries  []entry           // one for each rule, in the plan's order, which is by number
	table    [tableSize]uint16 // by number: where its entries begin, counted from 1; 0 for none
	listener int
	closing  atomic.Bool
	timed    bool // measure the time per call
	plain    bool // without WAIT_KILLABLE_RECV

	// handoffNotified means that the plan has rules for calls that a handoff
	// makes.
	handoffNotified bool

	// signals means that a handler of SIGSYS in the program serves calls.
	signals bool

	patching    *patching // nil where no site is patched
	region      *region
	base        uint64
	syscallInsn uint64 // offset in the kernel's vDSO
	user        []byte // the user's own vDSO image

	// streams are where deterministic random bytes come from, nil where they are
	// not.
	streams *streams

	// givesWay says that this process gives way to the run's programs.
	givesWay bool

	// filters is how many seccomp filters a program has that took none itself,
	// once countFilters is done; denies means that one of ours is the deny filter.
	filters      int
	countFilters sync.Once
	denies       bool

	// first is the thread id of the program's first process until that has
	// executed the program, then 0.
	first atomic.Int32

	// receivers counts the threads, idle those of them that wait in RECV, or soon will.
	receivers, idle atomic.Int32
	handoffs        atomic.Int32 // execs that are served or wait to be
	done            sync.WaitGroup

	mu        sync.Mutex
	engaged   int                // receivers that serve an exec
	waiting   []notification     // execs that no thread was free for
	expected  map[int32]*handoff // images that are being handed off, by process
	askers    map[int]int        // processes that asked to be traced from their next exec on, and a pidfd of each
	execed    map[int]execed     // what tracers of the run's own are to hand off, by process
	obeying   map[int32]*orders  // and those who do, by thread
	missed    map[string]*Missed
	missOrder []string

	// expecting is len(expected), read without the lock.
	expecting atomic.Int32

	tids map[int]struct{} // the receivers' threads

	tracer *tracer // nil where no mechanism of the plan is one

	execs, programs atomic.Uint64
	final           atomic.Pointer[Counters] // once the region is unmapped
	warn            func(string)             // each new reason of missed
	ran             chan struct{}            // closed when the program has been executed
}

func newRun(plan *policy.Plan) *run {
	r := &run{
		plan: plan, listener: -1, expected: map[int32]*handoff{}, askers: map[int]int{}, execed: map[int]execed{}, obeying: map[int32]*orders{}, missed: map[string]*Missed{},
		tids: map[int]struct{}{}, ran: make(chan struct{}),
	}
	r.signals = bpf.UsesSignals(plan)
	if plan.RNG.Source == policy.Deterministic {
		r.streams = newStreams(plan.RNG.Seed)
	}
	return r
}

// tableSize covers every x86-64 system call number that a plan can name.
const tableSize = 1024

// firstExec carries the program's first exec through on the calling thread. No
// other process exists yet, so nothing else can be notified; and no thread has to
// be started and woken before the program can run.
func (r *run) firstExec() {
	if r.tracer != nil {
		r.tracer.start()
		return
	}
	if !early.Main {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	defer r.start()
	if t := r.firstTracee(ptraceOptions); t != nil {
		t.detach()
	}
}

// firstTracee attaches to the program's first process at its exec, and returns it
// after its handoff; nil if it was let go or is gone.
func (r *run) firstTracee(options uintptr) *tracee {
	for s := newServer(r); r.await(); {
		if recvNotif(r.listener, &s.n) != 0 {
			continue
		}
		if s.isExec() {
			r.oneCPU(int(s.n.pid))
			return r.handOff(&s.n, true, options)
		}
		sendNotif(r.listener, &response{id: s.n.id, flags: flagContinue}) // a call of the guardian's child
	}
	return nil
}

// await waits until a notification is there; false means that there will be
// none, since no process is left.
func (r *run) await() bool {
	p := []unix.PollFd{{Fd: int32(r.listener), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(p, -1); err != unix.EINTR {
			return p[0].Revents&unix.POLLIN != 0
		}
	}
}

// start begins to serve. Each receiver is an OS thread of its own that blocks
// in SECCOMP_IOCTL_NOTIF_RECV itself: polling first would lengthen the time in
// which a signal without SA_RESTART interrupts the call.
func (r *run) start() {
	r.giveWay()
	if r.receivers.Load() == 0 {
		r.spawn()
	}
}

// spawn adds a receiver unless there are enough.
func (r *run) spawn() bool {
	if r.receivers.Add(1) > maxReceivers {
		r.receivers.Add(-1)
		return false
	}
	r.done.Add(1)
	r.idle.Add(1) // no more are made while this one is on its way
	go r.receive()
	return true
}

func (r *run) receive() {
	defer r.done.Done()
	defer r.receivers.Add(-1)
	tid := unix.Gettid()
	r.enlist(tid, true)
	defer func() { r.enlist(tid, false) }()
	s, locked := newServer(r), false
	// A handoff under way needs a receiver to the end.
	counted := true // as idle, by spawn
	defer func() {
		if counted {
			r.idle.Add(-1)
		}
	}()
	for !r.closing.Load() || r.handoffs.Load() > 0 {
		if !counted {
			r.idle.Add(1)
		}
		counted = false
		e := recvNotif(r.listener, &s.n)
		idle := r.idle.Add(-1)
		if !locked && e != unix.ENOENT {
			// Many programs make no call at all. To lock a thread takes another one:
			// the runtime's, from which it then starts all further threads.
			lockThread()
			locked = true
			if now := unix.Gettid(); now != tid {
				r.enlist(tid, false)
				tid = now
				r.enlist(tid, true)
			}
		}
		switch e {
		case 0:
		case unix.EINTR:
			continue
		case unix.ENOENT:
			// The caller was killed before we took its call, or no process is
			// left at all.
			if r.hungUp() {
				if locked {
					runtime.UnlockOSThread() // there are no tracees any more, and to end a thread costs time
				}
				return
			}
			continue
		default:
			if !r.closing.Load() {
				r.miss("notifications could not be received: "+e.Error(), "")
			}
			return
		}
		if !s.isExec() {
			s.serve()
			if idle == 0 && r.receivers.Load() < minReceivers {
				r.spawn()
			}
			continue
		}
		if h := r.handingOff(s.n.pid); h != nil {
			h.give(&s.n) // somebody's handoff waits for this
			continue
		}
		r.handoffs.Add(1)
		if idle == 0 {
			r.spawn()
		}
		if !r.engage(&s.n) {
			continue
		}
		for more := true; more; more = r.next(&s.n) {
			s.serveExec()
			r.handoffs.Add(-1)
		}
		if r.idle.Load() >= minReceivers {
			return
		}
	}
}

// engage makes this receiver one that serves execs. A handoff waits for a notification
// of its own, so the last one must stay free for it: that one puts the exec off. Those
// that are engaged then take it when they are done ([run.next]).
func (r *run) engage(n *notification) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.engaged == maxReceivers-1 {
		r.waiting = append(r.waiting, *n)
		return false
	}
	r.engaged++
	return true
}

// next takes an exec that was put off. If there is none, this receiver serves no exec
// any more.
func (r *run) next(n *notification) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		r.engaged--
		return false
	}
	*n = r.waiting[0]
	r.waiting = r.waiting[1:]
	return true
}

// hungUp reports whether the last process under the filter is gone.
func (r *run) hungUp() bool {
	p := []unix.PollFd{{Fd: int32(r.listener), Events: unix.POLLIN}}
	_, err := unix.Poll(p, 0)
	return err == nil && p[0].Revents&unix.POLLHUP != 0
}

// expect announces that process pid will ask for its descriptors (h), or that it
// no longer will (nil).
func (r *run) expect(pid int, h *handoff) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h == nil {
		delete(r.expected, int32(pid))
	} else {
		r.expected[int32(pid)] = h
	}
	r.expecting.Store(int32(len(r.expected)))
}

// handingOff returns the handoff that process pid is in, nil if in none.
func (r *run) handingOff(pid uint32) *handoff {
	if r.expecting.Load() == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.expected[int32(pid)]
}

// executed notes that the caller of an exec runs the new image.
func (r *run) executed(t *tracee) {
	r.patching.forget(t.tid)
	if r.first.CompareAndSwap(int32(t.pid), 0) {
		close(r.ran)
	}
}

// unseizable answers an exec whose caller we can't attach to.
func (r *run) unseizable(n *notification, err error) {
	if !notifValid(r.listener, n.id) {
		return // gone, which is what ESRCH says too
	}
	if r.signals && errors.Is(err, unix.EPERM) && r.leaveToTracer(n) {
		return
	}
	reason := "the process can't be attached to"
	if errors.Is(err, unix.EPERM) {
		reason = "the process has a tracer of its own, or is another user's"
	}
	if r.plan.Strict || r.tracer != nil || r.signals {
		r.miss(reason+": exec refused", fmt.Sprintf("process %d", n.pid))
		sendNotif(r.listener, &response{id: n.id, err: -int32(unix.EACCES)})
		return
	}
	r.miss(reason, fmt.Sprintf("process %d", n.pid))
	if r.first.CompareAndSwap(int32(n.pid), 0) {
		close(r.ran)
	}
	sendNotif(r.listener, &response{id: n.id, flags: flagContinue})
}

// missImage notes that an image runs without the shim. What the filter notifies
// is served all the same.
func (r *run) missImage(t *tracee, err error) {
	reason := err.Error()
	var unreflected *errUnreflected
	if errors.As(err, &unreflected) && unreflected.served && !r.signals {
		r.count(reason, t.String()+exeName(t.pid))
		return
	}
	// Nothing would handle the SIGSYS of its first trapped call.
	doomed := r.signals && unreflected != nil && !unreflected.foreign
	if r.plan.Strict || doomed {
		unix.Kill(t.pid, unix.SIGKILL)
		reason += ": killed"
	}
	r.miss(reason, t.String()+exeName(t.pid))
}

// miss counts something that could not be served, and warns of each reason once.
func (r *run) miss(reason, example string) {
	if r.count(reason, example) && r.warn != nil {
		if example != "" {
			reason += " (" + example + ")"
		}
		r.warn(reason)
	}
}

// count counts a reason, and reports whether it is new.
func (r *run) count(reason, example string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.missed[reason]
	if m == nil {
		m = &Missed{Reason: reason, Example: example}
		r.missed[reason] = m
		r.missOrder = append(r.missOrder, reason)
	}
	m.Count++
	return m.Count == 1
}

// stop ends the receivers and releases what the run holds. On kernels before 6.6 those that wait in RECV don't
// notice that the last process is gone; closing the listener wakes nobody
// either, so they are interrupted by a signal that the runtime ignores.
func (r *run) stop() {
	r.stopReceivers()
	if r.tracer != nil {
		<-r.tracer.finished
	}
	r.giveWayNoMore()
	unix.Close(r.listener)
	if r.patching != nil {
		r.patching.patcher.Close()
	}
	r.region.close()
}

func (r *run) stopReceivers() {
	r.closing.Store(true)
	if r.receivers.Load() == 0 {
		return // as it is on Linux >= 6.6, where they saw the end themselves
	}
	gone := make(chan struct{})
	go func() {
		r.done.Wait()
		close(gone)
	}()
	undo := func() {}
	defer func() { undo() }()
	for wait := time.Duration(0); ; wait = min(2*wait+time.Millisecond, 20*time.Millisecond) {
		select {
		case <-gone:
		case <-time.After(wait): // one that was not yet in RECV misses it
			if wait == 0 {
				undo = interruptible()
			}
			r.interrupt(wait >= 10*time.Millisecond)
			continue
		}
		break
	}
}

// interrupt sends SIGURG to the receivers' threads; to all threads, if a receiver that
// was not locked to its thread yet may have moved to another meanwhile.
func (r *run) interrupt(all bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	tids := slices.Collect(maps.Keys(r.tids))
	if entries, err := os.ReadDir("/proc/self/task"); all && err == nil {
		tids = nil
		for _, e := range entries {
			if tid, err := strconv.Atoi(e.Name()); err == nil {
				tids = append(tids, tid)
			}
		}
	}
	for _, tid := range tids {
		unix.Tgkill(unix.Getpid(), tid, unix.SIGURG)
	}
}

// enlist notes a receiver's thread, or strikes it.
func (r *run) enlist(tid int, in bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if in {
		r.tids[tid] = struct{}{}
	} else {
		delete(r.tids, tid)
	}
}
