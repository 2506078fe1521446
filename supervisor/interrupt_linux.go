package supervisor

import (
	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/internal/early"
)

// interruptible makes SIGURG, which the runtime handles at all times and otherwise
// ignores, end the system call that it meets with EINTR, and returns what undoes
// that. The runtime installs every handler with SA_RESTART, and with that the
// kernel takes up the wait in SECCOMP_IOCTL_NOTIF_RECV again.
func interruptible() (undo func()) {
	var old early.Action
	if !early.SetAction(int(unix.SIGURG), nil, &old) {
		return func() {}
	}
	changed := old
	const restart = 0x10000000 // SA_RESTART
	changed.Flags &^= restart
	early.SetAction(int(unix.SIGURG), &changed, nil)
	return func() { early.SetAction(int(unix.SIGURG), &old, nil) }
}
