// Package starter is what runs before the Go runtime does: it starts the program where
// `reflect run` is given nothing but that, and the runtime begins only when it is needed.
// See src/starter.c.
//
// It has a say only in executables that are linked with LinkFlag of package early, which names the
// entry; in others nothing was ever started.
package starter

import (
	"sync/atomic"
	"time"

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
	adopted, thread, _, received           uint32
	notifications                          [16][NotificationSize]byte
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

// Adopt ends the thread that receives notifications, once others do, and returns those, each
// a struct seccomp_notif, that it left to be answered.
func (s *Started) Adopt() [][NotificationSize]byte {
	const leave = unix.Signal(34) // keep.h
	atomic.StoreUint32(&s.adopted, 1)
	for {
		tid := atomic.LoadUint32(&s.thread)
		if tid == 0 {
			break
		}
		unix.Tgkill(unix.Getpid(), int(tid), leave) // again, if it was not waiting yet
		time.Sleep(20 * time.Microsecond)
	}
	unix.Close(s.wake)
	return s.notifications[:s.received]
}

// Unblock gives the calling thread the mask of signals that this process was begun with: those
// that can be relayed wait until then.
func (s *Started) Unblock() error {
	set := unix.Sigset_t{Val: [16]uint64{s.mask}}
	return unix.PthreadSigmask(unix.SIG_SETMASK, &set, nil)
}
