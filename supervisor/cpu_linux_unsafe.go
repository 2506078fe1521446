package supervisor

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// currentCPU is where the calling thread runs.
func currentCPU() (int, bool) {
	var cpu uint32
	_, _, e := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0)
	return int(cpu), e == 0
}
