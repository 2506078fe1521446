package supervisor

import (
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/internal/early"
)

// stopBy stops this process by the default action of sig, and returns when it was
// continued. The signal goes to this very thread: sent to the process, it would
// let the thread run on for a while.
func stopBy(sig unix.Signal) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if sig != unix.SIGSTOP {
		// signal.Reset would not do: once the runtime has a handler for a signal,
		// it keeps it and swallows the signal (runtime.sigdisable).
		var byDefault, old early.Action
		if !early.SetAction(int(sig), &byDefault, &old) {
			return
		}
		defer early.SetAction(int(sig), &old, nil)
	}
	unix.Tgkill(unix.Getpid(), unix.Gettid(), sig)
}
