package supervisor

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// A pairing is a tracee and its tracer, the calling thread, on one CPU. A handoff
// is a dozen turns between the two: on one CPU a turn is a switch, on two it wakes
// a sleeping CPU, which takes many times as long.
//
// The tracee has its mask back before it runs an instruction of the program. What
// stays is that the mask counts as chosen by a user: a CPU that is plugged in
// later is not added to it (sched_setaffinity(2), task_struct.user_cpus_ptr).
type pairing struct {
	mine, theirs unix.CPUSet
	made         bool
}

// together pairs the calling thread with a tracee. Where that is not possible both
// stay as they are.
func together(tid int) (p pairing) {
	if runtime.NumCPU() == 1 || unix.SchedGetaffinity(0, &p.mine) != nil || unix.SchedGetaffinity(tid, &p.theirs) != nil {
		return p
	}
	cpu, ok := commonCPU(&p.mine, &p.theirs)
	if !ok {
		return p
	}
	var one unix.CPUSet
	one.Set(cpu)
	if p.theirs != one && unix.SchedSetaffinity(tid, &one) != nil {
		return p
	}
	unix.SchedSetaffinity(0, &one)
	p.made = true
	return p
}

// commonCPU is a CPU that is in both sets: the calling thread's, if it can be.
func commonCPU(mine, theirs *unix.CPUSet) (int, bool) {
	if cpu, ok := currentCPU(); ok && theirs.IsSet(cpu) {
		return cpu, true
	}
	for cpu := range 64 * len(mine) {
		if mine.IsSet(cpu) && theirs.IsSet(cpu) {
			return cpu, true
		}
	}
	return 0, false
}

// release gives the tracee its CPUs back. It must be stopped, or the program
// would see the narrow mask.
func (p *pairing) release(tid int) {
	if p.made {
		unix.SchedSetaffinity(tid, &p.theirs)
	}
}

// leave gives the calling thread its CPUs back.
func (p *pairing) leave() {
	if p.made {
		unix.SchedSetaffinity(0, &p.mine)
	}
}
