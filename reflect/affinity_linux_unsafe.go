package reflect

import (
	"math/bits"
	"unsafe"

	"golang.org/x/sys/unix"
)

// boundTo returns the one processor that a thread may run on, if there is only
// one. It costs a thirtieth of reading the thread's stat file.
func boundTo(tid int) (int, bool) {
	var mask [128]uint64 // 8,192 processors, the most that Linux is built for
	n, _, errno := unix.RawSyscall(unix.SYS_SCHED_GETAFFINITY, uintptr(tid),
		unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask)))
	if errno != 0 {
		return 0, false
	}
	cpu, found := 0, false
	for i, w := range mask[:n/8] {
		if w == 0 {
			continue
		}
		if found || w&(w-1) != 0 {
			return 0, false
		}
		cpu, found = i*64+bits.TrailingZeros64(w), true
	}
	return cpu, found
}
