// Package starter is what runs before the Go runtime does: it starts the program where
// `reflect run` is given nothing but that, and the runtime begins only when it is needed.
// See src/starter.c.
//
// It has a say only in executables that are linked with LinkFlag of package early, which names the
// entry; in others nothing was ever started.
package starter

import (
	"golang.org/x/sys/unix"

	// For their data and code, which the entry refers to.
	_ "github.com/sysreflect/sysreflect/supervisor/internal/guardian"
	_ "github.com/sysreflect/sysreflect/vdsoshim"
)

//go:generate ../blob.sh src/starter.c "What comes before the runtime, on the initial stack."

// Started is what was started: started.h's struct.
type Started struct {
	PID                                    int // the program's; 0 where nothing was started
	Guardian, Connection, Listener, Region int
	Base                                   uint64 // of the shim in programs
	control, image                         uintptr
	plain, waiting                         uint64
	notification                           [80]byte
	mask                                   uint64
}

// started is written by the entry.
var started Started

// Take returns what was started, once; nil where that is nothing.
func Take() *Started {
	if started.PID == 0 {
		return nil
	}
	s := started
	started = Started{}
	return &s
}

// Plain reports whether the listener is without WAIT_KILLABLE_RECV (Linux < 5.19).
func (s *Started) Plain() bool { return s.plain != 0 }

// Waiting returns the notification, struct seccomp_notif, that was received and has to be
// answered; nil for none.
func (s *Started) Waiting() []byte {
	if s.waiting == 0 {
		return nil
	}
	return s.notification[:]
}

// Unblock gives the calling thread the mask of signals that this process was begun with: those
// that can be relayed wait until then.
func (s *Started) Unblock() error {
	set := unix.Sigset_t{Val: [16]uint64{s.mask}}
	return unix.PthreadSigmask(unix.SIG_SETMASK, &set, nil)
}
