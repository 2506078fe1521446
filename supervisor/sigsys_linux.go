package supervisor

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/bpf"
	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

// This file is about calls that a handler of SIGSYS in the program serves: the
// mechanisms trap and sud, and trap as the base of patch.

// byHandler reports whether the handler serves what meets rule.
func byHandler(rule *policy.Rule) bool {
	if !rule.Reflects() || rule.Nr == unix.SYS_SECCOMP || slices.Contains(execCalls[:], rule.Nr) {
		return false // the filter has them notified, see package bpf
	}
	m := rule.Mechanism
	return m == policy.Trap || m == policy.SUD || m == policy.Patch && rule.Base == policy.Trap
}

var execCalls = [...]int{unix.SYS_EXECVE, unix.SYS_EXECVEAT}

// traps reports whether any call of number nr ends in a SIGSYS.
func (r *run) traps(nr int) bool {
	return slices.ContainsFunc(r.plan.For(nr), func(rule policy.Rule) bool { return byHandler(&rule) })
}

// sigsys says what the handler is to do, nil if there is to be none.
func (r *run) sigsys() *vdsoshim.Sigsys {
	if !bpf.UsesSignals(r.plan) {
		return nil
	}
	s := &vdsoshim.Sigsys{Dispatch: r.plan.Uses(policy.SUD), Others: slices.Clone(execCalls[:])}
	s.Rules = make([]vdsoshim.TrapRule, len(r.plan.Rules))
	for i := range r.plan.Rules {
		rule := &r.plan.Rules[i]
		t := &s.Rules[i]
		t.Nr, t.Alone = rule.Nr, len(rule.Conds) == 0 && len(r.plan.For(rule.Nr)) == 1
		if byHandler(rule) {
			t.Answer = handlerAnswer(rule.Action)
			if rule.Action.Kind == policy.Shim && rule.Name == "getrandom" {
				t.Answer.Kind = vdsoshim.AnswerGenerator
			}
		}
		if !bpf.IsSignalCall(rule.Nr) && !(t.Alone && t.Answer.Kind != 0) {
			s.Others = append(s.Others, rule.Nr)
		}
	}
	if r.plan.Default.Kind != policy.Allow {
		for nr := range vdsoshim.DispatchCalls {
			if len(r.plan.For(nr)) == 0 && !bpf.IsSignalCall(nr) {
				s.Others = append(s.Others, nr)
			}
		}
	}
	return s
}

// handlerAnswer is what the handler does for an action.
func handlerAnswer(a policy.Action) vdsoshim.Answer {
	switch a.Kind {
	case policy.Return:
		return vdsoshim.Answer{Kind: vdsoshim.AnswerConstant, Value: a.Value}
	case policy.Errno:
		return vdsoshim.Answer{Kind: vdsoshim.AnswerConstant, Value: -int64(a.Errno)}
	case policy.Shim:
		return vdsoshim.Answer{Kind: vdsoshim.AnswerAtOnce}
	}
	return vdsoshim.Answer{Kind: vdsoshim.AnswerKernel}
}

// sigsysBit is SIGSYS in a mask of signals.
const sigsysBit = 1 << (unix.SIGSYS - 1)

// handlerCount is the row of a rule that the handler serves.
func handlerCount(rule *policy.Rule, n uint64) CallCount {
	c := CallCount{Call: rule.Name, Implementation: implementation(rule), Mechanism: "trap", Count: n}
	if rule.Mechanism == policy.SUD {
		c.Mechanism = "sud"
	}
	switch rule.Action.Kind {
	case policy.Shim:
		c.Implementation = "shim"
	case policy.Errno:
		c.Errors = n
	}
	return c
}
