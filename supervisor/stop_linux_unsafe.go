package supervisor

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
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
		type sigaction struct{ handler, flags, restorer, mask uint64 } // the kernel's
		var byDefault, old sigaction
		if _, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&byDefault)), uintptr(unsafe.Pointer(&old)), 8, 0, 0); e != 0 {
			return
		}
		defer unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&old)), 0, 8, 0, 0)
	}
	unix.Tgkill(unix.Getpid(), unix.Gettid(), sig)
}
