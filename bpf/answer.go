package bpf

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
)

// An answer is what a filter returns for a call: one value away from the gate,
// and one at the gate. Where both are equal the instruction pointer is not
// tested. With stubs, the stubs meet what the gate meets.
type answer struct {
	away, gate uint32
	stubs      bool
}

func always(ret uint32) answer { return answer{away: ret, gate: ret} }
func exempt(ret uint32) answer { return answer{away: ret, gate: unix.SECCOMP_RET_ALLOW} }

var allowed = always(unix.SECCOMP_RET_ALLOW)

// maxErrno is the kernel's MAX_ERRNO: seccomp cuts the data of RET_ERRNO there.
const maxErrno = 4095

func errnoRet(errno int64) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(errno) }

// A clause answers the calls that satisfy all of conds. The last clause of a
// body has none.
type clause struct {
	conds []policy.Cond
	answer
}

// A body is all that one filter says about a number: the first clause that
// holds gives the answer.
type body []clause

func (b body) equal(o body) bool {
	return slices.EqualFunc(b, o, func(x, y clause) bool {
		return x.answer == y.answer && slices.Equal(x.conds, y.conds)
	})
}

// A kind is one of the two filters.
type kind uint8

const (
	mainFilter kind = iota
	denyFilter
)

// isExec reports whether nr starts a new image: the supervisor hears of each,
// and the last step of a handoff asks for a trace stop by the same number.
func isExec(nr int) bool { return slices.Contains(execNumbers[:], nr) }

// isHandoff reports whether nr is one of policy.HandoffCalls. A constant would
// be answered to the handoff's own calls too, so the supervisor answers
// instead, who can tell them from the program's.
func isHandoff(nr int) bool {
	switch nr {
	case unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_MMAP, unix.SYS_MPROTECT,
		unix.SYS_MUNMAP, unix.SYS_PRCTL, unix.SYS_CLOSE, unix.SYS_SECCOMP:
		return true
	}
	return false
}

// data is what tells whoever serves a call which rule it meets, of those that its
// number has: 0 where there is one, so that numbers can share code, else 1 + the
// rule's index in the plan.
func data(rules []policy.Rule, index int) uint32 {
	if len(rules) == 1 && len(rules[0].Conds) == 0 {
		return 0
	}
	return uint32(min(index+1, unix.SECCOMP_RET_DATA))
}

// RuleData is what the filter of p hands on with a call that meets the rule of that
// index, where the rule's mechanism is one that gets data.
func RuleData(p *policy.Plan, index int) uint32 {
	return data(p.For(p.Rules[index].Nr), index)
}

// asks returns the main filter's answer to a call that is served by mech, where
// that is not for the filter or a notification alone to say. The kernel hands data
// on: as si_errno, or as the message of the stop.
func asks(mech, base policy.Mechanism, data uint32) (answer, bool) {
	switch {
	case mech == policy.Trap || mech == policy.SUD || mech == policy.Patch && base == policy.Trap:
		// Dispatch comes before the filter. Where it is not armed, the call is
		// trapped, and the handler arms it.
		return trap(data), true
	case mech == policy.Ptrace || mech == policy.PtraceAll:
		// Without a tracer the kernel answers ENOSYS.
		return exempt(unix.SECCOMP_RET_TRACE | data), true
	}
	return answer{}, false
}

// action returns the answer of filter k to a call that meets act.
func (k kind) action(nr int, act policy.Action, mech policy.Mechanism, inSupervisor bool) (answer, error) {
	inSupervisor = inSupervisor || isHandoff(nr)
	notify := exempt(unix.SECCOMP_RET_USER_NOTIF)
	if k == denyFilter {
		switch {
		case act.Kind == policy.Deny && !inSupervisor:
			return always(errnoRet(int64(unix.EPERM))), nil
		case act.Kind == policy.Kill:
			return always(unix.SECCOMP_RET_KILL_PROCESS), nil
		}
		return allowed, nil
	}
	switch act.Kind {
	case policy.Allow, policy.Stub:
		return allowed, nil
	case policy.Shim:
		if mech == policy.VDSO {
			return allowed, nil // raw system calls stay the kernel's
		}
		return notify, nil
	case policy.Go, policy.Passthrough:
		return notify, nil
	case policy.Return:
		// RET_ERRNO answers -data, and 0 as a success. Under patch the supervisor
		// is to learn of the site.
		if act.Value <= 0 && act.Value >= -maxErrno && !inSupervisor && mech != policy.Patch {
			return exempt(errnoRet(-act.Value)), nil
		}
		return notify, nil
	case policy.Errno:
		if act.Errno < 1 || act.Errno > maxErrno {
			return answer{}, fmt.Errorf("errno %d is not between 1 and %d", act.Errno, maxErrno)
		}
		if inSupervisor || mech == policy.Patch {
			return notify, nil
		}
		return exempt(errnoRet(int64(act.Errno))), nil
	case policy.Deny:
		if inSupervisor {
			return always(unix.SECCOMP_RET_USER_NOTIF), nil
		}
		return allowed, nil
	case policy.Kill:
		if inSupervisor {
			return answer{}, fmt.Errorf("the handoff needs this call, so it can't kill")
		}
		return allowed, nil
	case policy.Audit:
		return always(unix.SECCOMP_RET_LOG), nil
	}
	return answer{}, fmt.Errorf("unknown action %d", act.Kind)
}

// byDefault returns the answer of filter k to calls that meet no rule.
func (k kind) byDefault(p *policy.Plan) (answer, error) {
	switch p.Default.Kind {
	case policy.Allow, policy.Deny, policy.Errno, policy.Kill, policy.Audit:
		return k.action(-1, p.Default, policy.Auto, false)
	}
	return answer{}, fmt.Errorf("bpf: default action %v can't be given by a filter", p.Default)
}

// refuses reports whether the default is one that exemptNumbers are spared.
// Plans of package policy spell out the default for them; a plan made by hand
// may not.
func refuses(p *policy.Plan) bool {
	switch p.Default.Kind {
	case policy.Deny, policy.Errno, policy.Kill:
		return true
	}
	return false
}

// body returns what filter k says about number nr, whose rules are given. Passes
// means that stubs may make the call: then one rule decides it, without conditions.
// Index is that of the first rule in the plan; signals means that calls are trapped.
func (k kind) body(nr, index int, rules []policy.Rule, byDefault answer, refuses, passes, signals bool) (body, error) {
	if isExec(nr) {
		byDefault = allowed
	} else if refuses && slices.Contains(exemptNumbers[:], nr) {
		byDefault = allowed
	}
	var b body
	last := byDefault
	for i := range rules {
		r := &rules[i]
		a, err := k.action(nr, r.Action, r.Mechanism, r.InSupervisor)
		if err != nil {
			return nil, ruleError(r, err)
		}
		signals := signals && IsSignalCall(nr) && toKernel(r.Action)
		// The deny filter is installed under this one, before there is a tracer or a handler.
		early := nr == unix.SYS_SECCOMP && r.Mechanism >= policy.Trap
		if k == mainFilter && signals {
			a = trap(data(rules, index+i))
		} else if k == mainFilter && r.Reflects() && !early {
			if asked, ok := asks(r.Mechanism, r.Base, data(rules, index+i)); ok {
				a = asked
			}
		}
		if isExec(nr) {
			continue // checked, and left to the supervisor
		}
		conds, possible, err := simplify(r.Conds)
		if err != nil {
			return nil, ruleError(r, err)
		}
		if !possible {
			continue
		}
		if len(conds) == 0 {
			last = a
			last.stubs = passes && k == mainFilter && !signals
			break
		}
		b = append(b, clause{conds, a})
	}
	if isExec(nr) && k == mainFilter {
		return execBody(nr), nil
	}
	for len(b) > 0 && b[len(b)-1].answer == last {
		b = b[:len(b)-1]
	}
	return append(b, clause{nil, last}), nil
}

// execBody is what the main filter says about execve and execveat: each is
// notified, but for the call that ends a handoff. That one comes from the gate
// and stops for the tracer, and it is known by a pathname that can't be one: it
// could not execute anything if it were let go on. A tracer of the program's own
// that gives it another pathname gets it notified, since the kernel then asks the
// filter again (seccomp_run_filters by way of __seccomp_filter, recheck_after_trace).
func execBody(nr int) body {
	notify := always(unix.SECCOMP_RET_USER_NOTIF)
	trace := answer{away: unix.SECCOMP_RET_USER_NOTIF, gate: unix.SECCOMP_RET_TRACE}
	if nr == unix.SYS_EXECVEAT {
		step := policy.Cond{Arg: 1, Op: policy.Less, Value: 4096} // the number of the handoff's step
		return body{{[]policy.Cond{step}, trace}, {nil, notify}}
	}
	done := policy.Cond{Arg: 0, Op: policy.Equal, Value: 0} // the handoff's status: 0 or -errno
	failed := policy.Cond{Arg: 0, Op: policy.GreaterEqual, Value: ^uint64(maxErrno) + 1}
	return body{{[]policy.Cond{done}, trace}, {[]policy.Cond{failed}, trace}, {nil, notify}}
}

func ruleError(r *policy.Rule, err error) error {
	name := r.Name
	if name == "" {
		name = fmt.Sprint(r.Nr)
	}
	return fmt.Errorf("bpf: %s: %s: %w", name, r.Action, err)
}
