package probe

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/vdsoshim"
)

// A trial is how a feature is tried. Most are one question to a child.
type trial struct {
	name, since, what string
	probe             string
	args              []uint64
	try               func(n *nursery, r *Report, f *Feature) // instead of probe
}

const (
	waitKillable = 1 << 5 // SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	syncWakeUp   = 1      // SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
)

// How child/seccomp.h answers a notification.
const (
	sendValue = iota
	sendContinue
	giveFD
	giveFDAndSend
)

// trials are made when they are asked for: a run asks for none.
func trials() []trial {
	return []trial{
		{name: "seccomp_filter", since: "3.17", what: "a filter of system calls", probe: "filter"},
		{name: "user_notif", since: "5.0", what: "a filter that asks a supervisor", probe: "notify", args: []uint64{0, 0, sendValue}},
		{name: "user_notif_continue", since: "5.5", what: "leaving a notified call to the kernel", probe: "notify", args: []uint64{0, 0, sendContinue}},
		{name: "wait_killable_recv", since: "5.19", what: "signals don't interrupt a call being served", probe: "notify", args: []uint64{waitKillable, 0, sendValue}},
		{name: "sync_wake_up", since: "6.6", what: "fast switch to the supervisor and back", probe: "notify", args: []uint64{0, syncWakeUp, sendValue}},
		{name: "addfd", since: "5.9", what: "giving the program a descriptor", probe: "notify", args: []uint64{0, 0, giveFD}},
		{name: "addfd_send", since: "5.14", what: "the same as a call's answer", probe: "notify", args: []uint64{0, 0, giveFDAndSend}},
		{name: "second_listener", what: "a supervisor inside another", probe: "listeners"},
		{name: "ret_trap", since: "3.5", what: "a filter that sends SIGSYS", probe: "trap"},
		{name: "ret_trace", since: "3.5", what: "a filter that stops for a tracer", probe: "trace"},
		{name: "ret_log", since: "4.14", what: "a filter that logs", probe: "action", args: []uint64{unix.SECCOMP_RET_LOG}},
		{name: "ret_kill_process", since: "4.14", what: "a filter that kills the process", probe: "action", args: []uint64{unix.SECCOMP_RET_KILL_PROCESS}},
		{name: "ptrace_child", since: "3.4", what: "tracing a child", probe: "seize"},
		{name: "ptrace_other", since: "3.4", what: "tracing a process that is no descendant", probe: "seize-other"},
		{name: "ptrace_get_syscall_info", since: "5.3", what: "reading a stopped call", probe: "syscall-info", args: []uint64{0}},
		{name: "ptrace_set_syscall_info", since: "6.16", what: "changing a stopped call", probe: "syscall-info", args: []uint64{1}},
		{name: "ptrace_sysemu", since: "2.6", what: "stopping calls without performing them", probe: "sysemu"},
		{name: "process_vm_readv", since: "3.2", what: "reading a program's memory", probe: "vm", args: []uint64{0}},
		{name: "process_vm_writev", since: "3.2", what: "writing a program's memory", probe: "vm", args: []uint64{1}},
		{name: "proc_mem_force", since: "2.6", what: "writing read-only pages by /proc/PID/mem", probe: "proc-mem", args: []uint64{0}},
		{name: "proc_mem_force_traced", since: "2.6", what: "the same as the program's tracer", probe: "proc-mem", args: []uint64{1}},
		{name: "pidfd_open", since: "5.3", what: "a descriptor for a process", probe: "pidfd-open"},
		{name: "pidfd_getfd", since: "5.6", what: "taking a descriptor from a process", probe: "pidfd-getfd"},
		{name: "subreaper", since: "3.4", what: "adopting orphans", probe: "subreaper"},
		{name: "cgroup_kill", since: "5.14", what: "killing a cgroup at once", try: tryCgroupKill},
		{name: "memfd_exec", since: "3.17", what: "executing a memory file", probe: "memfd-exec"},
		{name: "seal_future_write", since: "5.1", what: "sealing a memory file against new writers", probe: "seal"},
		{name: "map_low", since: "4.17", what: "mapping the shim below 2 MiB", try: tryMapLow},
		{name: "map_droppable", since: "6.11", what: "memory for secrets that may be dropped", probe: "droppable"},
		{name: "set_mm_map", since: "3.18", what: "telling the kernel where the vDSO is", probe: "mm-map"},
		{name: "vdso", since: "2.6", what: "the kernel's own vDSO", try: tryVDSO},
		{name: "vdso_clock", since: "2.6", what: "its clocks need no system call", try: inVDSO("vdso-clock", "__vdso_clock_gettime")},
		{name: "vdso_getrandom", since: "6.11", what: "its getrandom", try: inVDSO("vdso-getrandom", "__vdso_getrandom")},
		{name: "fsgsbase", since: "5.9", what: "the fs base by instruction", probe: "fsgsbase"},
		{name: "rdpid", what: "the processor's number by instruction", probe: "rdpid"},
		{name: "sud", since: "5.11", what: "Syscall User Dispatch", probe: "sud", args: []uint64{1}},
		{name: "sud_inclusive", since: "6.17", what: "the same for chosen code only", probe: "sud", args: []uint64{2}},
	}
}

// tryFeatures tries them all. It also finds out whether there is a listener.
func tryFeatures(n *nursery, r *Report) []Feature {
	var features []Feature
	for _, t := range trials() {
		f := Feature{Name: t.name, Since: t.since, What: t.what}
		if t.try != nil {
			t.try(n, r, &f)
		} else {
			rec, err := n.ask(t.probe, t.args...)
			f.settle(r, rec, err)
		}
		if f.Name == "user_notif" {
			switch {
			case f.Errno == "EBUSY":
				r.Process.Listener = Yes
			case f.Status == Yes:
				r.Process.Listener = No
			}
		}
		features = append(features, f)
	}
	return features
}

// settle turns what a child said into the answer.
func (f *Feature) settle(r *Report, rec record, err error) {
	var s *silence
	if errors.As(err, &s) && s.signal == unix.SIGSYS {
		f.Status, f.Why = killedBy(r)
		return
	}
	if err != nil {
		f.Status, f.Why = Unknown, err.Error()
		return
	}
	switch rec.verdict {
	case saysYes:
		f.Status = Yes
		return
	case saysNo:
		f.Status = No
	default:
		f.Status = Unknown
	}
	if rec.call >= 0 {
		f.Call = callName(rec.call)
		if f.Call == "" {
			f.Call = fmt.Sprintf("system call %d", rec.call)
		}
	}
	if rec.errno != 0 {
		f.Errno = unix.ErrnoName(rec.errno)
	}
	f.Why = explain(r, f)
}

// tryMapLow maps where the shim may be placed: at both ends and between. What is
// there already (the shim of a reflect around this one) is no obstacle, since a
// run chooses its place.
func tryMapLow(n *nursery, r *Report, f *Feature) {
	low := max(r.Process.MinAddr, 64<<10)
	low = (low + vdsoshim.PageSize - 1) &^ (vdsoshim.PageSize - 1)
	high := uint64(2<<20 - vdsoshim.RegionSize)
	if low > high {
		f.Status, f.Why = No, fmt.Sprintf("vm.mmap_min_addr is %d: no room below 2 MiB", r.Process.MinAddr)
		return
	}
	taken := Feature{Status: Unknown}
	for _, at := range []uint64{low, high, (low + high) / 2 &^ (vdsoshim.PageSize - 1)} {
		try := *f
		rec, err := n.ask("map-low", at, vdsoshim.RegionSize)
		switch try.settle(r, rec, err); {
		case try.Errno == "EEXIST":
			if taken.Status == Unknown {
				taken = try
			}
		case try.Status != Yes:
			*f = try
			return
		default:
			taken = try
		}
	}
	*f = taken
	if f.Status == Yes {
		f.Value = fmt.Sprintf("from %#x", low)
	}
}

func tryVDSO(_ *nursery, _ *Report, f *Feature) {
	image, _, err := vdsoshim.Kernel()
	if err != nil {
		f.Status, f.Why = No, err.Error()
		return
	}
	f.Status = Yes
	for _, s := range image.Symbols() {
		if len(s.Name) < 2 || s.Name[:2] != "__" || s.Section == 0 {
			continue // a weak alias
		}
		if f.Value != "" {
			f.Value += " "
		}
		f.Value += s.Name
	}
}

// inVDSO tries a function of the kernel's vDSO.
func inVDSO(probe, symbol string) func(*nursery, *Report, *Feature) {
	return func(n *nursery, r *Report, f *Feature) {
		image, _, err := vdsoshim.Kernel()
		if err != nil {
			f.Status, f.Why = No, err.Error()
			return
		}
		s, ok := image.Lookup(symbol, "LINUX_2.6")
		if !ok {
			f.Status, f.Why = No, "the kernel's vDSO has no "+symbol
			if !atLeast(r.Kernel, f.Since) {
				f.Why = "needs Linux " + f.Since
			}
			return
		}
		rec, err := n.ask(probe, s.Value)
		f.settle(r, rec, err)
	}
}
