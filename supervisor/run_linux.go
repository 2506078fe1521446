package supervisor

import (
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/bpf"
	"github.com/sysreflect/sysreflect/internal/early"
	"github.com/sysreflect/sysreflect/policy"
)

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
	follow   bool // count calls for each site
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

	// atExec is called at each exec, unless it is nil.
	atExec func()

	// first is the thread id of the program's first process until that has
	// executed the program, then 0.
	first atomic.Int32

	receivers atomic.Int32 // threads
	lead      lead
	hungUp    atomic.Bool  // the last process under the filter is gone
	handoffs  atomic.Int32 // execs that are served or wait to be
	loose     atomic.Bool  // there were execs that went on without us
	handing   gate         // inside is who hands an image off, or is attached to a caller
	done      sync.WaitGroup

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
	caught *caught // the relay's, nil where there is none

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
	r.lead.spawn = func() bool { return r.spawn(nil) }
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
			return r.handOff(&s.n, true, options, func() {})
		}
		sendNotif(r.listener, &response{id: s.n.id, flags: flagContinue}) // a call of the guardian's child
	}
	return nil
}

// await waits until a notification is there; false means that there will be
// none, since no process is left. A terminal's stop that comes first has stopped who
// should execute the program, so this process stops, too. Other signals wait for the relay.
func (r *run) await() bool {
	p := []unix.PollFd{{Fd: int32(r.listener), Events: unix.POLLIN}, {Fd: -1, Events: unix.POLLIN}}
	signals := r.caught
	if signals != nil {
		p[1].Fd = int32(signals.fd)
	}
	for {
		if _, err := unix.Poll(p, -1); err == unix.EINTR {
			continue
		}
		if p[0].Revents != 0 {
			return p[0].Revents&unix.POLLIN != 0
		}
		switch sig, sender := signals.read(); sig {
		case 0:
		case unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
			stopBy(sig)
		default:
			signals.keep(sig, sender)
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
