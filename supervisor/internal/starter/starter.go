// Package starter is what runs before the Go runtime does: it starts the program where
// `reflect run` is given nothing but that, and the runtime begins only when it is needed.
// See src/starter.c.
//
// It has a say only in executables that are linked with LinkFlag of package early, which names the
// entry; in others nothing was ever started.
package starter

import (
	"sync/atomic"

	"golang.org/x/sys/unix"

	// For their data and code, which the entry refers to.
	_ "github.com/sysreflect/sysreflect/supervisor/internal/guardian"
	_ "github.com/sysreflect/sysreflect/vdsoshim"
)

//go:generate ../blob.sh src/starter.c "What comes before the runtime, on the initial stack."

// NotificationSize is that of a struct seccomp_notif.
const NotificationSize = 80

// Started is what was started: started.h's struct.
type Started struct {
	PID                                    int // the program's; 0 where nothing was started
	Guardian, Connection, Listener, Region int
	Base                                   uint64 // of the shim in programs
	control, image                         uintptr
	plain, mask                            uint64
	wake                                   int
	adopted, received                      uint32
	notifications                          [16][NotificationSize]byte

	returned uint32 // Go's own
}

// started is written by the entry.
var started Started

// Begun reports whether something was started that nobody has taken.
func Begun() bool { return started.PID != 0 && !taken }

// Take returns what was started, once; nil where that is nothing.
func Take() *Started {
	if !Begun() {
		return nil
	}
	taken = true
	return &started
}

var taken bool

// Plain reports whether the listener is without WAIT_KILLABLE_RECV (Linux < 5.19).
func (s *Started) Plain() bool { return s.plain != 0 }

// Wake is a descriptor that can be read once something was received.
func (s *Started) Wake() int { return s.wake }

// Adopt says that others receive notifications from now on. What the starter's thread, which
// is the first in the queue, receives all the same comes by Received.
func (s *Started) Adopt() { atomic.StoreUint32(&s.adopted, 1) }

// Received returns notifications, each a struct seccomp_notif, that have to be answered
// and were not returned before.
func (s *Started) Received() [][NotificationSize]byte {
	var events [8]byte
	unix.Read(s.wake, events[:])
	from := s.returned
	s.returned = atomic.LoadUint32(&s.received)
	return s.notifications[from:s.returned]
}

// Unblock gives the calling thread the mask of signals that this process was begun with: those
// that can be relayed wait until then.
func (s *Started) Unblock() error {
	set := unix.Sigset_t{Val: [16]uint64{s.mask}}
	return unix.PthreadSigmask(unix.SIG_SETMASK, &set, nil)
}
