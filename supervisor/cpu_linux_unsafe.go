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

// setPolicy gives a thread another scheduling policy of those that know no priority, and
// leaves it its nice value (sched_setscheduler(2)).
func setPolicy(tid, policy int) error {
	var none int32 // struct sched_param
	_, _, e := unix.RawSyscall(unix.SYS_SCHED_SETSCHEDULER, uintptr(tid), uintptr(policy), uintptr(unsafe.Pointer(&none)))
	if e != 0 {
		return e
	}
	return nil
}
