package supervisor

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// together brings a tracee and its tracer, the calling thread, onto one CPU until
// apart is called. A handoff is a dozen turns between the two: on one CPU a turn
// is a switch, on two it wakes a sleeping CPU, which takes many times as long.
//
// Nothing of it is left: the tracee gets the mask back that it had, and where
// that was every CPU it gets "every CPU, present or to come", which is what a
// process has that was never told otherwise (sched_setaffinity(2)).
func together(tid int) (apart func()) {
	var mine, theirs, one unix.CPUSet
	if runtime.NumCPU() == 1 || unix.SchedGetaffinity(0, &mine) != nil || unix.SchedGetaffinity(tid, &theirs) != nil {
		return func() {}
	}
	var cpu uint32
	if _, _, e := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0); e != 0 || !theirs.IsSet(int(cpu)) {
		return func() {}
	}
	one.Set(int(cpu))
	if unix.SchedSetaffinity(tid, &one) != nil {
		return func() {}
	}
	unix.SchedSetaffinity(0, &one)
	if theirs.Count() >= runtime.NumCPU() {
		theirs.Fill()
	}
	return func() {
		unix.SchedSetaffinity(tid, &theirs)
		unix.SchedSetaffinity(0, &mine)
	}
}
