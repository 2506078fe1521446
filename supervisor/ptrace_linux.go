package supervisor

import (
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/internal/early"
	"github.com/sysreflect/sysreflect/policy"
)

// A tracer is what serves the mechanisms ptrace and ptrace-all: one OS thread that
// all threads of the tree are attached to, from birth to death. ptrace(2) ties a
// tracee to the thread that attached, and children come to their parent's tracer.
//
// Under ptrace the filter asks for a stop at each reflected call
// (SECCOMP_RET_TRACE). Under ptrace-all every call stops, whoever reflects it.
//
// Execs are notified as under every plan, and go on at once: the tracer stands by
// at the exec's event and hands the image off there.
type tracer struct {
	r   *run
	s   *server
	all bool // stop at every call
	// filtered means that a process of the tree has a seccomp filter of its own.
	filtered bool

	threads map[int]*traced
	early   map[int]struct{} // threads that ended before their parent's event told of them
	info    syscallInfo
	ready   []stop // stops that were collected and not yet handled

	// mu guards what receivers and the relay ask.
	mu       sync.Mutex
	known    map[int]struct{} // the keys of threads
	stopped  map[int]struct{} // threads in a group stop
	leaving  map[int]leaving  // threads that execute another program
	execs    atomic.Int32     // len(leaving), read without mu
	finished chan struct{}    // closed when no thread is left
}

// A traced is a thread of the tree.
type traced struct {
	tid int
	// request is how it was let go last: PTRACE_CONT, or under ptrace-all
	// PTRACE_SYSCALL or PTRACE_SYSEMU. What the last one was when the thread entered
	// the kernel decides what the stop at a call's entry means.
	request int
	// inside means that the next stop for a call is at the exit of the one that the
	// thread makes. Were it wrong, the filter would still ask for what is reflected.
	inside bool
	// passing is the call that the thread is to make again, since it was skipped and
	// belongs to the kernel; nr is -1 where there is none.
	passing pass
	// foretold means that its parent's event has told of it, or that it has no such parent.
	foretold bool
}

// A pass says which call it is, by all that does not change between two attempts.
type pass struct {
	nr     int64
	ip, sp uint64
	args   [6]uint64
}

var noPass = pass{nr: -1}

// A stop is what wait returned.
type stop struct {
	tid    int
	status unix.WaitStatus
}

// newTracer returns nil where the plan needs none.
func newTracer(r *run) *tracer {
	all := r.plan.Uses(policy.PtraceAll)
	if !all && !r.plan.Uses(policy.Ptrace) {
		return nil
	}
	t := &tracer{
		r: r, s: newServer(r), all: all, threads: map[int]*traced{}, early: map[int]struct{}{},
		known: map[int]struct{}{}, stopped: map[int]struct{}{}, leaving: map[int]leaving{}, finished: make(chan struct{}),
	}
	t.s.traced = true
	return t
}

// start attaches to the run's first process at its exec and serves the tree until
// its end.
func (t *tracer) start() {
	onThreadOfItsOwn(func() {
		defer close(t.finished)
		var first *tracee
		for first == nil && t.r.first.Load() != 0 && t.r.await() { // until it was executed, or has ended
			first = t.r.firstTracee(tracerOptions)
		}
		t.r.start()
		if first == nil {
			return
		}
		defer quietStops()()
		t.add(first.tid).foretold = true
		t.letGo(first)
		t.serve()
	})
}

// onThreadOfItsOwn starts f on an OS thread that has no children: waiting for any
// of its tracees would otherwise collect those of the host program, of which each
// belongs to the thread that forked it. Orphans of other threads go to the main one
// (find_alive_thread).
func onThreadOfItsOwn(f func()) {
	suits := make(chan bool)
	release := make(chan struct{})
	defer close(release)
	for {
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			if unix.Gettid() == unix.Getpid() || hasChildren() {
				suits <- false
				<-release // kept, or it would be given to us again
				return
			}
			suits <- true
			f()
		}()
		if <-suits {
			return
		}
	}
}

// sweepAfter is how many stops are served one by one. The kernel looks through the
// tracees in the same order each time (ptrace_do_wait), so that a few busy ones could
// keep the rest waiting for good: so now and then all that wait are collected before
// any is let go, and for as long as that finds more than one.
const sweepAfter = 32

// serve handles stops until no thread is left.
func (t *tracer) serve() {
	var y yielder
	for n := 1; ; n++ {
		s, ok := wait(0)
		if !ok {
			return
		}
		if n < sweepAfter || len(t.threads) == 1 {
			t.handle(s)
			y.served()
			continue
		}
		for ; ok; s, ok = wait(unix.WNOHANG) {
			t.ready = append(t.ready, s)
		}
		for _, s := range t.ready {
			t.handle(s)
		}
		y.served()
		if len(t.ready) == 1 {
			n = 0
		}
		t.ready = t.ready[:0]
	}
}

// wait returns the next stop, or end, of any of this thread's tracees, and false if
// there is none. It tells the runtime that the thread blocks.
func wait(options int) (s stop, ok bool) {
	for {
		tid, err := unix.Wait4(-1, &s.status, options|unix.WALL|waitNoThread, nil)
		if err != unix.EINTR {
			s.tid = tid
			return s, err == nil && tid > 0
		}
	}
}

// stopsQuiet counts the tracers for which SIGCHLD is as quietStops makes it, and
// keeps what it was before the first.
var stopsQuiet struct {
	sync.Mutex
	tracers int
	before  early.Action
}

// quietStops keeps the kernel from sending SIGCHLD for each stop, which the runtime
// would handle and drop: 1.5 µs a call. For ends it is sent as ever
// (do_notify_parent_cldstop).
func quietStops() (undo func()) {
	q := &stopsQuiet
	q.Lock()
	defer q.Unlock()
	if q.tracers == 0 && !early.SetAction(int(unix.SIGCHLD), nil, &q.before) {
		return func() {}
	}
	q.tracers++
	quiet := q.before
	const noStops = 1 // SA_NOCLDSTOP
	quiet.Flags |= noStops
	early.SetAction(int(unix.SIGCHLD), &quiet, nil)
	return func() {
		q.Lock()
		defer q.Unlock()
		if q.tracers--; q.tracers == 0 {
			early.SetAction(int(unix.SIGCHLD), &q.before, nil)
		}
	}
}

func (t *tracer) add(tid int) *traced {
	th := &traced{tid: tid, request: unix.PTRACE_CONT, passing: noPass}
	if t.all {
		th.request = unix.PTRACE_SYSCALL
	}
	t.threads[tid] = th
	t.mu.Lock()
	t.known[tid] = struct{}{}
	t.mu.Unlock()
	return th
}

// born adds the thread that its parent's event tells of, which may have to wait for a
// processor before it stops for the first time: who would count the tree's threads
// meanwhile must not miss it. Which of the two stops is told first is left to chance.
func (t *tracer) born(parent int) {
	msg, err := eventMessage(parent)
	if err != nil || msg == 0 { // 0: in a PID namespace that we don't see
		return
	}
	tid := int(msg)
	th := t.threads[tid]
	_, ended := t.early[tid]
	delete(t.early, tid)
	if th == nil && !ended {
		th = t.add(tid)
	}
	if th != nil {
		th.foretold = true
	}
}

func (t *tracer) drop(tid int) {
	if th := t.threads[tid]; th == nil || !th.foretold {
		t.early[tid] = struct{}{}
	}
	delete(t.threads, tid)
	t.mu.Lock()
	delete(t.known, tid)
	delete(t.stopped, tid)
	t.left(tid)
	t.mu.Unlock()
}

// left forgets that a thread executes a program: it did, or it could not, or is
// gone. t.mu is held.
func (t *tracer) left(tid int) (l leaving, was bool) {
	if l, was = t.leaving[tid]; was {
		delete(t.leaving, tid)
		t.execs.Store(int32(len(t.leaving)))
	}
	return l, was
}

// has reports whether a thread is traced.
func (t *tracer) has(tid int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.known[tid]
	return ok
}

// rests reports whether the program is stopped by sig and may stay so without us.
// In /proc a group stop looks like any other stop for a tracer.
//
// A tree without its tracer stands still, whoever calls, forks or gets a signal. On
// Ctrl-Z that is as it should be: who does not stop with its group waits. But where
// one process stops another by SIGSTOP, it is to go on, and to continue it.
func (t *tracer) rests(pid int, sig unix.Signal) bool {
	for deadline := time.Now().Add(2 * groupWindow); ; time.Sleep(time.Millisecond) {
		t.mu.Lock()
		_, leader := t.stopped[pid]
		all := len(t.stopped) == len(t.known)
		t.mu.Unlock()
		if all {
			return leader
		}
		if time.Now().After(deadline) {
			// A first thread that has ended stops no more, but its process does.
			st, _ := readStat(pid)
			return sig != unix.SIGSTOP && (leader || st.state == 'Z')
		}
	}
}

// A leaving thread executes another program.
type leaving struct {
	departure
	nr int32 // execve or execveat
}

// passExec answers an exec of one of our tracees; the event comes to the tracer.
func (t *tracer) passExec(s *server) {
	t.r.executes()
	if t.r.refuse(&s.n) {
		return
	}
	tid, l := int(s.n.pid), leaving{nr: s.n.nr}
	if t.r.streams != nil {
		l.departure = t.r.depart(&tracee{tid: tid, pid: threadGroup(tid)})
	}
	t.mu.Lock()
	t.leaving[tid] = l
	t.execs.Store(int32(len(t.leaving)))
	t.mu.Unlock()
	sendNotif(t.r.listener, &response{id: s.n.id, flags: flagContinue})
}

// escaped notes an exec by a process that is not ours. CLONE_UNTRACED makes one: a
// child that no tracer gets, asked for or not (kernel_clone).
func (t *tracer) escaped(tid int) {
	t.r.miss("a process was started with CLONE_UNTRACED, which keeps it from every tracer: its calls fail with ENOSYS",
		"process "+strconv.Itoa(tid))
}
