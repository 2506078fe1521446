package probe

import (
	"errors"

	"golang.org/x/sys/unix"
)

// A harmless call has arguments that the kernel refuses in one known way, before
// it looks at anything else. A filter answers before that.
type harmless struct {
	name  string
	nr    uint64
	args  []uint64
	want  unix.Errno
	since string
}

const bad = ^uint64(0) // -1: no pid, no descriptor, no flags

var harmlessCalls = []harmless{
	{"seccomp", unix.SYS_SECCOMP, []uint64{0xffffffff, 0, 0}, unix.EINVAL, "3.17"},
	{"ptrace", unix.SYS_PTRACE, []uint64{0x7fff, bad}, unix.ESRCH, "2.6"},
	{"process_vm_readv", unix.SYS_PROCESS_VM_READV, []uint64{bad, 0, 0, 0, 0, 1}, unix.EINVAL, "3.2"},
	{"process_vm_writev", unix.SYS_PROCESS_VM_WRITEV, []uint64{bad, 0, 0, 0, 0, 1}, unix.EINVAL, "3.2"},
	{"memfd_create", unix.SYS_MEMFD_CREATE, []uint64{0, 0xffffffff}, unix.EINVAL, "3.17"},
	{"execveat", unix.SYS_EXECVEAT, []uint64{bad, 0, 0, 0, 0}, unix.EFAULT, "3.19"},
	{"pidfd_open", unix.SYS_PIDFD_OPEN, []uint64{bad, 0xffffffff}, unix.EINVAL, "5.3"},
	{"pidfd_getfd", unix.SYS_PIDFD_GETFD, []uint64{bad, bad, 1}, unix.EINVAL, "5.6"},
	{"pidfd_send_signal", unix.SYS_PIDFD_SEND_SIGNAL, []uint64{bad, 0, 0, 0xffffffff}, unix.EINVAL, "5.1"},
}

// checkCalls finds out which calls a profile answers.
func checkCalls(n *nursery, kernel string) []Call {
	calls := make([]Call, 0, len(harmlessCalls))
	for _, h := range harmlessCalls {
		c := Call{Name: h.name, Expected: unix.ErrnoName(h.want)}
		if !atLeast(kernel, h.since) {
			c.Expected = "ENOSYS"
		}
		r, err := n.ask("call", append([]uint64{h.nr}, h.args...)...)
		var s *silence
		switch {
		case errors.As(err, &s) && s.signal != 0:
			c.Answer, c.Forbidden = "killed", true
		case err != nil:
			c.Answer = "unknown"
		default:
			c.Answer = answerName(int64(r.value))
			c.Forbidden = c.Answer != c.Expected
		}
		calls = append(calls, c)
	}
	return calls
}

func answerName(v int64) string {
	if v >= 0 {
		return "success"
	}
	if name := unix.ErrnoName(unix.Errno(-v)); name != "" {
		return name
	}
	return unix.Errno(-v).Error()
}

// callName names the calls that a probe's record can name.
func callName(nr int32) string {
	switch nr {
	case unix.SYS_SECCOMP:
		return "seccomp"
	case unix.SYS_PTRACE:
		return "ptrace"
	case unix.SYS_PROCESS_VM_READV:
		return "process_vm_readv"
	case unix.SYS_PROCESS_VM_WRITEV:
		return "process_vm_writev"
	case unix.SYS_MEMFD_CREATE:
		return "memfd_create"
	case unix.SYS_EXECVEAT:
		return "execveat"
	case unix.SYS_PIDFD_OPEN:
		return "pidfd_open"
	case unix.SYS_PIDFD_GETFD:
		return "pidfd_getfd"
	case unix.SYS_IOCTL:
		return "ioctl"
	case unix.SYS_PRCTL:
		return "prctl"
	case unix.SYS_MMAP:
		return "mmap"
	case unix.SYS_OPENAT:
		return "openat"
	case unix.SYS_PWRITE64:
		return "pwrite64"
	case unix.SYS_FCNTL:
		return "fcntl"
	case unix.SYS_CLONE:
		return "clone"
	case unix.SYS_WAIT4:
		return "wait4"
	case unix.SYS_FTRUNCATE:
		return "ftruncate"
	case unix.SYS_WRITE:
		return "write"
	case unix.SYS_GETRANDOM:
		return "getrandom"
	case unix.SYS_CLOCK_GETTIME:
		return "clock_gettime"
	case unix.SYS_BRK:
		return "brk"
	case unix.SYS_LSM_LIST_MODULES:
		return "lsm_list_modules"
	}
	return ""
}
