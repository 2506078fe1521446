package supervisor

import "golang.org/x/sys/unix"

// A monitor is the runtime's thread of that name (sysmon). In a process's first
// milliseconds it wakes every 20 µs, preempts whoever runs where it wakes, and has each
// change of a mapping interrupt its CPU (flush_tlb_mm_range). While a command starts its
// program it preempts nobody (SCHED_BATCH, wakeup_preempt_fair).
type monitor struct{ tid int } // 0 where it is left alone

// resetOnFork keeps a policy from the threads that a thread starts (sched(7)). Only
// CAP_SYS_NICE can take it back.
const resetOnFork = 0x40000000 // SCHED_RESET_ON_FORK

// calm does this for the process's second thread, which is the monitor: runtime.main
// starts it before any other. Its id comes next after the process's, unless others make
// processes at the same time: then it is looked for nearby. Processes with a scheduling
// policy of their own are left alone.
func (m *monitor) calm() {
	if policy, _, e := unix.RawSyscall(unix.SYS_SCHED_GETSCHEDULER, 0, 0, 0); e != 0 || policy != schedNormal {
		return
	}
	pid := unix.Getpid()
	for tid := pid + 1; tid <= pid+8; tid++ {
		if unix.Tgkill(pid, tid, 0) != nil {
			continue
		}
		if setPolicy(tid, schedBatch|resetOnFork) == nil {
			m.tid = tid
		}
		return
	}
}

// release undoes calm.
func (m *monitor) release() {
	if m.tid != 0 {
		setPolicy(m.tid, schedNormal|resetOnFork)
		m.tid = 0
	}
}
