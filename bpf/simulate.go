package bpf

import (
	"fmt"

	netbpf "golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Data is what a filter sees of a call: struct seccomp_data.
type Data struct {
	Nr   int32
	Arch uint32 // AUDIT_ARCH_*
	IP   uint64 // address after the system call instruction
	Args [6]uint64
}

// word returns the 32-bit word at off, as the kernel presents it.
func (d *Data) word(off uint32) uint32 {
	switch off {
	case offNr:
		return uint32(d.Nr)
	case offArch:
		return d.Arch
	case offIP:
		return uint32(d.IP)
	case offIP + 4:
		return uint32(d.IP >> 32)
	}
	return uint32(d.Args[(off-offArgs)/8] >> (off % 8 * 8))
}

// An Action is a SECCOMP_RET value without its data.
type Action uint32

// The actions, from the most restrictive to the least: seccomp(2).
const (
	KillProcess Action = unix.SECCOMP_RET_KILL_PROCESS
	KillThread  Action = unix.SECCOMP_RET_KILL_THREAD
	Trap        Action = unix.SECCOMP_RET_TRAP
	Errno       Action = unix.SECCOMP_RET_ERRNO
	UserNotif   Action = unix.SECCOMP_RET_USER_NOTIF
	Trace       Action = unix.SECCOMP_RET_TRACE
	Log         Action = unix.SECCOMP_RET_LOG
	Allow       Action = unix.SECCOMP_RET_ALLOW
)

// String returns the kernel's name of a without its prefix.
func (a Action) String() string {
	switch a {
	case KillProcess:
		return "KILL_PROCESS"
	case KillThread:
		return "KILL_THREAD"
	case Trap:
		return "TRAP"
	case Errno:
		return "ERRNO"
	case UserNotif:
		return "USER_NOTIF"
	case Trace:
		return "TRACE"
	case Log:
		return "LOG"
	case Allow:
		return "ALLOW"
	}
	return fmt.Sprintf("%#x", uint32(a))
}

// overrides reports whether a is more restrictive than b: the kernel compares
// the values as signed numbers (seccomp_run_filters).
func (a Action) overrides(b Action) bool { return int32(a) < int32(b) }

// A Step is one filter's part of a verdict.
type Step struct {
	Action Action
	Data   uint16
	Path   []int // the instructions that ran, by index
	// Constant means that the answer is ALLOW for every call with this
	// number, as far as the kernel can tell (seccomp_is_const_allow).
	Constant bool
}

// A Verdict is what the kernel does with a call.
type Verdict struct {
	Action Action
	Data   uint16     // the filter's data, as RET_TRACE would pass it on
	Errno  unix.Errno // what the program gets, where Action is Errno
	Filter string     // "main" or "deny": whose answer it is, main where both agree
	Main   Step
	Deny   *Step // nil where there is no deny filter
	// Steps is how many instructions ran in both filters. It is 0 in effect
	// where Cacheable is true.
	Steps int
	// Cacheable means that a kernel with the action cache (Linux 5.11) answers
	// without running a filter. It keeps none for x32, nor for numbers past
	// the end of its table.
	Cacheable bool
}

// Simulate returns what the kernel would do with call d.
func (p *Program) Simulate(d Data) Verdict {
	v := Verdict{Main: simulate(p.Main, &d), Filter: mainFilter.String()}
	v.Action, v.Data = v.Main.Action, v.Main.Data
	v.Steps = len(v.Main.Path)
	v.Cacheable = v.Main.Constant && cached(&d)
	if p.Deny != nil {
		s := simulate(p.Deny, &d)
		v.Deny = &s
		v.Steps += len(s.Path)
		v.Cacheable = v.Cacheable && s.Constant
		// Where both refuse, which they do alike, main is named.
		if s.Action.overrides(v.Action) {
			v.Action, v.Data, v.Filter = s.Action, s.Data, denyFilter.String()
		}
	}
	if v.Action == Errno {
		v.Errno = unix.Errno(min(v.Data, maxErrno))
	}
	return v
}

// cached reports whether the kernel keeps a bit for the call's number at all:
// it does for the native and the 32-bit table.
func cached(d *Data) bool {
	switch d.Arch {
	case nativeArch, compatArch:
		return uint32(d.Nr) < x32Bit
	}
	return false
}

func simulate(prog []netbpf.RawInstruction, d *Data) Step {
	ret, path := run(prog, d)
	return Step{
		Action:   Action(ret & unix.SECCOMP_RET_ACTION_FULL),
		Data:     uint16(ret & unix.SECCOMP_RET_DATA),
		Path:     path,
		Constant: constantAllow(prog, uint32(d.Nr), d.Arch),
	}
}

// run interprets prog. A program that the kernel would not have loaded kills.
func run(prog []netbpf.RawInstruction, d *Data) (ret uint32, path []int) {
	var acc uint32
	for pc := 0; pc < len(prog); pc++ {
		path = append(path, pc)
		switch in := prog[pc]; in.Op {
		case opLoad:
			if in.K%4 != 0 || in.K >= dataLen {
				return unix.SECCOMP_RET_KILL_PROCESS, path
			}
			acc = d.word(in.K)
		case opAnd:
			acc &= in.K
		case opJump:
			if in.K > MaxInstructions {
				return unix.SECCOMP_RET_KILL_PROCESS, path
			}
			pc += int(in.K)
		case opEq, opGe, opGt, opSet:
			if holds(in, acc) {
				pc += int(in.Jt)
			} else {
				pc += int(in.Jf)
			}
		case opRet:
			return in.K, path
		default:
			return unix.SECCOMP_RET_KILL_PROCESS, path
		}
	}
	return unix.SECCOMP_RET_KILL_PROCESS, path
}

// holds evaluates the comparison of a conditional jump.
func holds(in netbpf.RawInstruction, acc uint32) bool {
	switch in.Op {
	case opEq:
		return acc == in.K
	case opGe:
		return acc >= in.K
	case opGt:
		return acc > in.K
	case opSet:
		return acc&in.K != 0
	}
	return false
}

// constantAllow does what the kernel's seccomp_is_const_allow does when a
// filter is installed: run it with a number and an architecture alone, and
// give up at the load of anything else.
func constantAllow(prog []netbpf.RawInstruction, nr, arch uint32) bool {
	var acc uint32
	for pc := 0; pc < len(prog); pc++ {
		switch in := prog[pc]; in.Op {
		case opLoad:
			switch in.K {
			case offNr:
				acc = nr
			case offArch:
				acc = arch
			default:
				return false
			}
		case opRet:
			return in.K == unix.SECCOMP_RET_ALLOW
		case opJump:
			pc += int(in.K)
		case opEq, opGe, opGt, opSet:
			if holds(in, acc) {
				pc += int(in.Jt)
			} else {
				pc += int(in.Jf)
			}
		case opAnd:
			acc &= in.K
		default:
			return false
		}
	}
	return false
}
