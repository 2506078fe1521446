package supervisor

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/supervisor/internal/starter"
)

// Kernel structures and requests of seccomp_unotify(2), linux/seccomp.h. Their
// sizes are tested against what the kernel says (SECCOMP_GET_NOTIF_SIZES).

// notification is struct seccomp_notif with its struct seccomp_data.
type notification struct {
	id    uint64
	pid   uint32 // calling thread; 0 if it is outside our pid namespace
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64 // address after the syscall instruction
	args  [6]uint64
}

func decodeNotification(b *[starter.NotificationSize]byte) *notification {
	n := new(notification)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(n)), unsafe.Sizeof(*n)), b[:])
	return n
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	val   int64
	err   int32 // negative errno
	flags uint32
}

// addfd is struct seccomp_notif_addfd.
type addfd struct {
	id         uint64
	flags      uint32
	srcfd      uint32
	newfd      uint32
	newfdFlags uint32
}

const (
	ioctlRecv     = 0xc0502100 // SECCOMP_IOCTL_NOTIF_RECV
	ioctlSend     = 0xc0182101 // SECCOMP_IOCTL_NOTIF_SEND
	ioctlIDValid  = 0x40082102 // SECCOMP_IOCTL_NOTIF_ID_VALID
	ioctlAddFD    = 0x40182103 // SECCOMP_IOCTL_NOTIF_ADDFD
	ioctlSetFlags = 0x40082104 // SECCOMP_IOCTL_NOTIF_SET_FLAGS, Linux >= 6.6

	flagContinue   = 1 // SECCOMP_USER_NOTIF_FLAG_CONTINUE
	addfdSetFD     = 1 // SECCOMP_ADDFD_FLAG_SETFD
	addfdSend      = 2 // SECCOMP_ADDFD_FLAG_SEND, Linux >= 5.14
	syncWakeUpFlag = 1 // SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
)

// recvNotif waits for a notification. It tells the runtime that the thread
// blocks, so that the garbage collector need not wait for it.
func recvNotif(listener int, n *notification) unix.Errno {
	*n = notification{} // the kernel refuses a structure with anything in it
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), ioctlRecv, uintptr(unsafe.Pointer(n)))
	return e
}

// ioctlShort makes a request that doesn't block, so the runtime need not be told.
// It is made again after a signal: each of them takes a lock of the filter's,
// interruptibly (seccomp_notify_send and others, mutex_lock_interruptible), and
// the runtime signals its threads as it likes. An answer that was not sent would
// leave the caller waiting for good.
func ioctlShort(listener int, request uintptr, arg unsafe.Pointer) (int, unix.Errno) {
	for {
		r, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(listener), request, uintptr(arg))
		if e != unix.EINTR {
			return int(r), e
		}
	}
}

// sendNotif answers. ENOENT: the caller was killed meanwhile.
func sendNotif(listener int, r *response) unix.Errno {
	_, e := ioctlShort(listener, ioctlSend, unsafe.Pointer(r))
	return e
}

// notifValid reports whether the call still waits. Only then does its thread id
// mean the thread that made it.
func notifValid(listener int, id uint64) bool {
	_, e := ioctlShort(listener, ioctlIDValid, unsafe.Pointer(&id))
	return e == 0
}

// addFD puts a descriptor of ours into the calling process and returns its
// number there. The caller does that itself, when it next runs; a signal before
// that withdraws the request.
func addFD(listener int, a *addfd) (int, unix.Errno) {
	for {
		fd, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), ioctlAddFD, uintptr(unsafe.Pointer(a)))
		if e != unix.EINTR {
			return int(fd), e
		}
	}
}

func setSyncWakeUp(listener int) error {
	_, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(listener), ioctlSetFlags, syncWakeUpFlag)
	if e != 0 {
		return e
	}
	return nil
}

// mmMap is struct prctl_mm_map, linux/prctl.h.
type mmMap struct {
	startCode, endCode, startData, endData uint64
	startBrk, brk, startStack              uint64
	argStart, argEnd, envStart, envEnd     uint64
	auxv                                   uint64
	auxvSize                               uint32
	exeFD                                  uint32
}

const (
	ptraceGetSigmask = 0x420a
	ptraceSetSigmask = 0x420b

	ptraceOptions = unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_EXITKILL |
		unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACESECCOMP
)

func ptraceSigmask(request, tid int, mask *uint64) error {
	_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), 8, uintptr(unsafe.Pointer(mask)), 0, 0)
	if e != 0 {
		return e
	}
	return nil
}

func ptraceRequest(request, tid int, addr, data uintptr) error {
	_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), addr, data, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}

// ptraceSeize is PTRACE_SEIZE, the one request that may wait: for an exec of another thread of that
// process, which reads its file meanwhile (cred_guard_mutex, in ptrace_attach). So the runtime
// is told.
func ptraceSeize(tid int, options uintptr) error {
	_, _, e := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(tid), 0, options, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}
