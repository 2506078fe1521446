//go:build linux && amd64

package main

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// dieOf ends this process by sig, so that a shell or a parent sees what it would
// have seen of the program itself. It returns only if that did not work.
//
// The Go runtime has handlers for all signals and would turn some into exit
// status 2, so the kernel's default action is set behind its back, and the core,
// which would be ours and not the program's, is suppressed.
func dieOf(sig unix.Signal) {
	runtime.LockOSThread()
	unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	// Where core_pattern is a pipe the limit does not count (core(5)).
	unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	type sigaction struct { // the kernel's, asm/signal.h
		handler, flags, restorer uintptr
		mask                     uint64
	}
	var dfl sigaction
	unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&dfl)), 0, unsafe.Sizeof(dfl.mask), 0, 0)
	set := uint64(1) << (sig - 1)
	unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_UNBLOCK, uintptr(unsafe.Pointer(&set)), 0, unsafe.Sizeof(set), 0, 0)
	unix.Tgkill(unix.Getpid(), unix.Gettid(), sig)
}
