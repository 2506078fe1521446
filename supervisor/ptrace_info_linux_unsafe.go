package supervisor

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// syscallInfo is struct ptrace_syscall_info, linux/ptrace.h (Linux >= 5.3), as it
// is at a call's entry and at a seccomp stop.
type syscallInfo struct {
	op      uint8
	_       [3]byte
	arch    uint32
	ip      uint64 // address after the instruction
	sp      uint64
	nr      uint64
	args    [6]uint64
	retData uint32 // of the filter, at a seccomp stop
	_       uint32
}

const (
	ptraceGetSyscallInfo = 0x420e
	ptraceSysemu         = 31 // PTRACE_SYSEMU, asm/ptrace-abi.h

	infoEntry, infoSeccomp = 1, 3 // PTRACE_SYSCALL_INFO_*

	// What a tracer of the whole tree asks for: children come to it as they are born,
	// with the same options (ptrace_init_task).
	tracerOptions = ptraceOptions | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK

	x32Bit = 0x40000000 // of a call's number, __X32_SYSCALL_BIT

	waitNoThread = 0x20000000 // __WNOTHREAD, linux/wait.h

	// Offsets in struct user, for PTRACE_POKEUSER.
	userRax     = unsafe.Offsetof(unix.PtraceRegs{}.Rax)
	userOrigRax = unsafe.Offsetof(unix.PtraceRegs{}.Orig_rax)
	userRip     = unsafe.Offsetof(unix.PtraceRegs{}.Rip)
)

// getSyscallInfo tells which call a thread stopped for. ESRCH: it was killed.
func getSyscallInfo(tid int, info *syscallInfo) error {
	_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, ptraceGetSyscallInfo, uintptr(tid), unsafe.Sizeof(*info), uintptr(unsafe.Pointer(info)), 0, 0)
	if e != 0 {
		return e
	}
	return nil
}

// eventMessage is PTRACE_GETEVENTMSG: after an exec the id that the thread had.
func eventMessage(tid int) (msg uint64, err error) {
	_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_GETEVENTMSG, uintptr(tid), 0, uintptr(unsafe.Pointer(&msg)), 0, 0)
	if e != 0 {
		return 0, e
	}
	return msg, nil
}

// atExec reports whether a thread is stopped at the event of an exec.
func atExec(tid int) bool {
	var info [32]int32 // siginfo_t: si_signo, si_errno, si_code
	const code = int32(unix.SIGTRAP) | unix.PTRACE_EVENT_EXEC<<8
	_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_GETSIGINFO, uintptr(tid), 0, uintptr(unsafe.Pointer(&info)), 0, 0)
	return e == 0 && info[0] == int32(unix.SIGTRAP) && info[2] == code
}

// hasChildren reports whether the calling thread has children, processes that it
// forked or attached to. None is collected.
func hasChildren() bool {
	var info [128]byte // siginfo_t
	const options = unix.WNOHANG | unix.WNOWAIT | unix.WEXITED | unix.WSTOPPED | unix.WALL | waitNoThread
	_, _, e := unix.RawSyscall6(unix.SYS_WAITID, unix.P_ALL, 0, uintptr(unsafe.Pointer(&info)), options, 0, 0)
	return e != unix.ECHILD
}
