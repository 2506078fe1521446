package supervisor

import (
	"errors"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/reflect/patch"
)

// The file that the thread that makes a patch waits for may be served by one whose call
// waits for its turn (FUSE). So calls wait no longer once that thread is found asleep so
// many times, looked at so often. On a busy machine it just gets no processor.
const (
	turnLooks = 3
	turnLook  = 20 * time.Millisecond
)

// turns has patches made one by one. A call that is to be patched while another's patch is
// made waits, and is served when that is done. If it had its answer at once, a thread that
// calls in a loop would be notified again and again meanwhile, and often on the CPU that
// the patch is made on.
//
// A call that waits occupies no receiver.
type turns struct {
	mu    sync.Mutex
	turn  int // how many there were
	taken bool
	tid   int  // whose it is
	looks int  // how many times it was found asleep
	late  bool // it takes too long: nobody waits for it any more
	calls []notification
	timer *time.Timer // runs while there are calls
}

// errTurn means that a call waits for its turn.
var errTurn = errors.New("another patch is being made, which the call waits for")

// take takes the turn for a call, or lets it wait, or where others have waited too long
// does neither. look is called while there are calls, and is to call expire.
func (t *turns) take(n *notification, look func(turn int)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !t.taken:
		t.taken, t.tid, t.looks, t.late = true, unix.Gettid(), 0, false
		t.turn++
		return nil
	case t.late:
		return patch.ErrBusy
	}
	if len(t.calls) == 0 {
		turn := t.turn
		t.timer = time.AfterFunc(turnLook, func() { look(turn) })
	}
	t.calls = append(t.calls, *n)
	return errTurn
}

// pass ends the turn, and returns the calls that waited for it.
func (t *turns) pass() []notification {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken = false
	return t.release()
}

// expire returns the calls that wait for a turn, where they have waited too long. There,
// before anybody can end the turn, begin is called.
func (t *turns) expire(turn int, begin func()) []notification {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.taken || t.turn != turn || t.timer == nil {
		return nil
	}
	if st, err := readStat(t.tid); err != nil || st.state != 'R' {
		t.looks++
	}
	if t.looks < turnLooks {
		t.timer.Reset(turnLook)
		return nil
	}
	t.late = true
	begin()
	return t.release()
}

func (t *turns) release() []notification {
	if t.timer != nil {
		t.timer.Stop()
	}
	calls := t.calls
	t.calls, t.timer = nil, nil
	return calls
}

// overdue serves, as they are, the calls that wait for a turn that takes too long.
func (r *run) overdue(turn int) {
	calls := r.patching.turns.expire(turn, func() {
		r.done.Add(1) // whoever has the turn counts there too, so that is not over
		r.receivers.Add(1)
	})
	if calls == nil {
		return
	}
	defer r.done.Done()
	defer r.receivers.Add(-1)
	s := newServer(r)
	for _, s.n = range calls {
		s.serveLater(false)
	}
}

// serveLater serves a call that waited, if its caller has not been killed.
func (s *server) serveLater(patches bool) {
	if s.waiting() {
		s.serveOne(patches)
	}
}
