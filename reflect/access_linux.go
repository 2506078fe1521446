package reflect

import "golang.org/x/sys/unix"

// accessOK is the kernel's check of a whole buffer before it touches any of it:
// a buffer that reaches over the border of user space is refused although its
// beginning is good. The border is the processor's and the kernel's, not the
// process's, and has moved between versions (USER_PTR_MAX, arch/x86), so the
// kernel is asked: getrandom of nothing checks the address and does no more.
func accessOK(addr, n uint64) bool {
	end := addr + n
	if end < addr {
		return false
	}
	if end < 1<<47-PageSize { // below the lowest border there is
		return true
	}
	_, _, errno := unix.RawSyscall(unix.SYS_GETRANDOM, uintptr(end), 0, unix.GRND_INSECURE)
	return errno == 0
}
