package reflect

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// randomBytes fills b, of a page at most, which no signal cuts short. The Go
// runtime reaches the kernel's vDSO for unix.Getrandom, which is the faster way
// for what programs mostly ask for; from half a KiB on the system call is.
func randomBytes(b []byte, flags int) (int, error) {
	if len(b) < 512 {
		return unix.Getrandom(b, flags)
	}
	n, _, errno := unix.RawSyscall(unix.SYS_GETRANDOM, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), uintptr(flags))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
