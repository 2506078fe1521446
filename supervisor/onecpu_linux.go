package supervisor

import (
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
)

// This file keeps the threads of a deterministic run's programs in order. Go's,
// for example, have a generator each, and a new thread's is seeded from its
// maker's: so it counts which of them comes first.

// Scheduling policies, linux/sched.h.
const (
	schedNormal = 0
	schedBatch  = 3
)

// deterministicSlice is how long a thread runs before another of its CPU does,
// unless it waits. With the kernel's own few milliseconds the end comes more
// often where Go's runtime, at its start, hands its one P from thread to
// thread. Linux >= 6.12 knows slices; older kernels ignore the number.
const deterministicSlice = 40 * time.Millisecond

// oneCPU puts a process that has executed nothing yet, and so all that come from
// it, on one CPU, where a thread that wakes doesn't preempt the one that runs
// (SCHED_BATCH, wakeup_preempt_fair). Which comes first is then decided by what
// they wait for.
func (r *run) oneCPU(pid int) {
	if !r.ordered() {
		return
	}
	r.giveWay()
	if err := pin(pid); err != nil && err != unix.ESRCH {
		r.miss("programs may run on several CPUs: "+err.Error(), "")
		return
	}
	if err := batch(pid, deterministicSlice); err != nil && err != unix.ESRCH {
		r.miss("threads of programs may preempt each other: "+err.Error(), "")
	}
}

// pin leaves a process one of its CPUs: the calling thread's, where the
// scheduler had room, if that is among them.
func pin(pid int) error {
	var may, one unix.CPUSet
	if err := unix.SchedGetaffinity(pid, &may); err != nil {
		return err
	}
	cpu, ok := commonCPU(&may, &may)
	if !ok {
		return unix.EINVAL
	}
	one.Set(cpu)
	return unix.SchedSetaffinity(pid, &one)
}

// batch gives a thread of the usual scheduling policy SCHED_BATCH, with slices
// unless they are 0. Others keep theirs: realtime threads of one priority don't
// preempt each other either.
func batch(tid int, slice time.Duration) error {
	attr, err := unix.SchedGetAttr(tid, 0)
	if err != nil || attr.Policy != schedNormal && (attr.Policy != schedBatch || slice == 0) {
		return err
	}
	attr.Policy, attr.Runtime = schedBatch, uint64(slice)
	return unix.SchedSetAttr(tid, attr, 0)
}

// ordered reports whether the order of a program's threads is looked after.
func (r *run) ordered() bool { return r.streams != nil && r.plan.RNG.CPUs == policy.CPUsOne }

// givingWay counts the runs that this process gives way to.
var givingWay struct {
	sync.Mutex
	runs    int
	changed bool // it was of the usual policy before
}

// giveWay makes this process SCHED_BATCH, too: its threads are many, wake often, and
// would preempt a program's thread, after which another of the program's may run.
func (r *run) giveWay() {
	if !r.ordered() || r.givesWay {
		return
	}
	r.givesWay = true
	givingWay.Lock()
	defer givingWay.Unlock()
	if givingWay.runs++; givingWay.runs > 1 {
		return
	}
	now, err := unix.SchedGetAttr(unix.Getpid(), 0)
	if givingWay.changed = err == nil && now.Policy == schedNormal; givingWay.changed {
		reschedule(schedNormal, schedBatch)
	}
}

// giveWayNoMore undoes giveWay.
func (r *run) giveWayNoMore() {
	if !r.givesWay {
		return
	}
	givingWay.Lock()
	defer givingWay.Unlock()
	if givingWay.runs--; givingWay.runs == 0 && givingWay.changed {
		reschedule(schedBatch, schedNormal)
	}
}

// reschedule gives this process's threads another policy, until none is left that a
// thread could have made meanwhile.
func reschedule(from, to uint32) {
	for again := true; again; {
		again = false
		tids, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return
		}
		for _, entry := range tids {
			tid, _ := strconv.Atoi(entry.Name())
			attr, err := unix.SchedGetAttr(tid, 0)
			if err != nil || attr.Policy != from {
				continue
			}
			attr.Policy, attr.Runtime = to, 0
			if unix.SchedSetAttr(tid, attr, 0) == nil {
				again = true
			}
		}
	}
}
