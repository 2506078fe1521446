package reflect

import (
	"os"
	"strconv"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// procIsOurs reports whether /proc shows our pid namespace. In a new one that
// was made without mounting /proc anew, numbers there are other processes'.
var procIsOurs = sync.OnceValue(func() bool {
	self, err := os.Readlink("/proc/self")
	return err == nil && self == strconv.Itoa(os.Getpid())
})

// appendTask appends the path of a file of a thread's directory; file ends with
// a zero byte. /proc answers for a thread's number as for a process's.
func appendTask(b []byte, tid int, file string) []byte {
	b = append(b, "/proc/"...)
	b = strconv.AppendInt(b, int64(tid), 10)
	return append(b, file...)
}

// readlink reads the link at a zero-terminated path in /proc; it allocates
// nothing.
func readlink(path, link []byte) int {
	if !procIsOurs() {
		return 0
	}
	n, _, errno := unix.Syscall6(unix.SYS_READLINKAT, uintptr(0),
		uintptr(unsafe.Pointer(&path[0])), uintptr(unsafe.Pointer(&link[0])), uintptr(len(link)), 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// openLink opens the link at a zero-terminated path in /proc, and not what it leads to;
// 0 where that fails.
func openLink(path []byte) (file int) {
	if !procIsOurs() {
		return 0
	}
	fd, _, errno := unix.Syscall(unix.SYS_OPEN, uintptr(unsafe.Pointer(&path[0])), unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errno != 0 {
		return 0
	}
	return int(fd)
}

// readOpenLink reads a link that openLink opened. That does not sleep.
func readOpenLink(file int, link []byte) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_READLINKAT, uintptr(file),
		uintptr(unsafe.Pointer(&noPath[0])), uintptr(unsafe.Pointer(&link[0])), uintptr(len(link)), 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

var noPath [1]byte

// readFile reads the beginning of the file at a zero-terminated path in /proc.
func readFile(path, b []byte) int {
	if !procIsOurs() {
		return 0
	}
	fd, _, errno := unix.Syscall(unix.SYS_OPEN, uintptr(unsafe.Pointer(&path[0])), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if errno != 0 {
		return 0
	}
	n, _, errno := unix.Syscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	unix.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}
