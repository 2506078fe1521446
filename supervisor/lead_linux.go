package supervisor

import (
	"sync"
	"sync/atomic"
	"time"
)

// One receiver leads: it waits in RECV, for the kernel wakes all that do for
// each notification (recv_wait_event waits without WQ_FLAG_EXCLUSIVE), and a second one
// would take 2 µs of each call to find nothing. The leader serves what it receives and goes
// on leading. Before what takes long it hands on, and where it turns out to take long, that is
// seen: whoever waits for a thread whose call is notified, too, must not wait for good. (A page
// of the caller's that userfaultfd or FUSE supplies is such a thing.)
//
// But for some calls from an exec on two lead: a handoff takes two threads, and to wake
// one by a futex may mean to wake a processor, 16 µs, where the kernel's wakes the receiver
// on the caller's (WF_CURRENT_CPU). And while more than one thread calls: where a call waits for
// a receiver a signal without SA_RESTART ends it.

const (
	// spareReceivers is how many threads without anything to do are kept.
	spareReceivers = 1

	// leadCalls is for how many calls of one thread after an exec, or another's call, two lead.
	leadCalls = 8

	// leadLook is how often it is looked whether the leader is stuck in a call, and
	// leadQuiet after how many looks that saw no call there are none until the next call.
	leadLook  = 10 * time.Millisecond
	leadQuiet = 10
)

// lead is whose turn it is to receive. At first it is one receiver's.
type lead struct {
	// spawn starts a receiver that leads; false means that there are enough.
	spawn func() bool

	second atomic.Bool   // two lead
	near   atomic.Int32  // calls that are left of leadCalls
	last   atomic.Uint32 // the thread whose call was served last

	// word is a futex: bit 0 is set while nobody leads, the rest counts what else those who
	// wait are to look at.
	word  atomic.Uint32
	spare atomic.Int32 // threads that wait for their turn
	slow  atomic.Int32 // threads with a call that takes long, and may wait for others' calls

	serving [2]atomic.Uint64 // odd while one who leads serves a call that may take long
	watched atomic.Bool      // the timer runs

	mu    sync.Mutex // of what follows
	timer *time.Timer
	seen  [2]uint64 // by the last look
	quiet int       // looks that saw nothing new
}

// leadFree is the bit of lead.word.
const leadFree = 1

// leave reports whether the caller leads no longer, since another does.
func (l *lead) leave() bool { return l.second.Load() && l.second.CompareAndSwap(true, false) }

// resign is for one who leads and serves no more.
func (l *lead) resign() {
	if !l.leave() {
		l.offer()
	}
}

// join reports whether the caller leads from now on, beside another.
func (l *lead) join() bool { return l.near.Load() > 0 && l.second.CompareAndSwap(false, true) }

// exec notes that a program is executed.
func (l *lead) exec() { l.near.Store(leadCalls) }

// called notes that the caller, who leads, has served a thread's call, and reports whether it
// still leads.
func (l *lead) called(tid uint32) bool {
	switch last := l.last.Load(); {
	case last == 0:
		l.last.Store(tid)
	case last != tid:
		l.last.Store(tid)
		l.near.Store(leadCalls)
		if !l.second.Load() && l.second.CompareAndSwap(false, true) {
			l.pass()
		}
	case l.second.Load() && l.near.Add(-1) < 0:
		return !l.leave()
	}
	return true
}

// handOn lets another lead than the caller, who does: one that does already, or waits for
// it, or a new one.
func (l *lead) handOn() {
	if !l.leave() {
		l.pass()
	}
}

// pass has somebody lead.
func (l *lead) pass() {
	if l.spare.Load() > 0 {
		l.offer()
		if l.spare.Load() > 0 || !l.take() {
			return // it is taken, or will be
		}
	}
	if !l.spawn() {
		l.offer() // to whoever is done first
	}
}

// offer lets somebody else lead: who waits for it, or whoever will next.
func (l *lead) offer() {
	l.word.Or(leadFree)
	futexWake(&l.word, 1)
}

// take reports whether the caller leads from now on, which was offered.
func (l *lead) take() bool {
	for {
		w := l.word.Load()
		if w&leadFree == 0 {
			return false
		}
		if l.word.CompareAndSwap(w, w&^leadFree) {
			return true
		}
	}
}

// stir has those who wait for their turn look whether it is over.
func (l *lead) stir() {
	l.word.Add(leadFree << 1)
	futexWake(&l.word, maxReceivers)
}

// follow waits until the caller is to lead. False means that it is not needed: enough
// others wait, or it is over.
func (l *lead) follow(over func() bool) bool {
	if l.spare.Add(1) <= spareReceivers {
		for {
			w := l.word.Load()
			if l.take() {
				l.spare.Add(-1)
				return true
			}
			if over() {
				break
			}
			futexWait(&l.word, w&^leadFree)
		}
	}
	l.spare.Add(-1)
	return l.take() // if it was offered to us, as one who waits, meanwhile
}

// A mark is a place in lead.serving, and what stands there.
type mark struct {
	word *atomic.Uint64
	n    uint64
}

// begin notes that the caller, who leads, begins with a call that may take long. If it does,
// another leads.
func (l *lead) begin() (m mark) {
	for i := 0; ; i = 1 - i { // no more than two lead
		m.word = &l.serving[i]
		if n := m.word.Load(); n&1 == 0 && m.word.CompareAndSwap(n, n+1) {
			m.n = n + 1
			break
		}
	}
	if !l.watched.Load() && !l.watched.Swap(true) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.timer == nil {
			l.timer = time.AfterFunc(leadLook, l.look)
		} else {
			l.timer.Reset(leadLook)
		}
	}
	return m
}

// end notes that the call is served, and reports whether the caller still leads.
func (l *lead) end(m mark) bool {
	if m.end() {
		return true
	}
	l.mu.Lock() // whoever is started instead is counted before the caller is no more
	defer l.mu.Unlock()
	l.slow.Add(-1)
	return false
}

func (m mark) end() bool { return m.word.CompareAndSwap(m.n, m.n+1) }

// look takes the lead from those who have been in the same call since the last look.
func (l *lead) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.quiet++
	for i := range l.serving {
		m := mark{&l.serving[i], l.serving[i].Load()}
		switch {
		case m.n != l.seen[i]:
			l.seen[i], l.quiet = m.n, 0
		case m.n&1 != 0 && m.end():
			l.slow.Add(1)
			l.handOn()
			l.quiet = 0
		}
	}
	if l.quiet >= leadQuiet {
		l.quiet = 0
		l.watched.Store(false)
		idle := true
		for i := range l.serving {
			idle = idle && l.serving[i].Load() == l.seen[i]
		}
		if idle || l.watched.Swap(true) {
			return // whoever begins next sees to it
		}
	}
	l.timer.Reset(leadLook)
}
