package supervisor

import (
	"errors"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/bpf"
	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/reflect/patch"
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

// moves reports whether calls of number nr, which dispatch makes a signal of although no handler
// serves them, are made by the records of sites that were patched for it. The filter has
// its say there as elsewhere. With a rule for every call there are none, and no code is changed.
func (r *run) moves(nr int) bool {
	return r.plan.Uses(policy.SUD) && r.plan.Others == policy.OthersPatch && nr != unix.SYS_SECCOMP &&
		policy.Movable(nr) && !r.traps(nr) && !bpf.AlwaysSignal(nr)
}

// sigsys says what the handler is to do, nil if there is to be none.
func (r *run) sigsys() *vdsoshim.Sigsys {
	if !bpf.UsesSignals(r.plan) {
		return nil
	}
	s := &vdsoshim.Sigsys{Dispatch: r.plan.Uses(policy.SUD), Follow: r.follow, Numbers: map[int]vdsoshim.Trapped{}}
	for nr := range vdsoshim.DispatchCalls {
		switch {
		case bpf.IsSignalCall(nr):
			s.Numbers[nr] = vdsoshim.TrappedSignals
		case r.traps(nr):
			s.Numbers[nr] = vdsoshim.TrappedSome
		case len(r.plan.For(nr)) > 0 || r.plan.Default.Kind != policy.Allow || slices.Contains(execCalls[:], nr):
			s.Numbers[nr] = vdsoshim.TrappedOthers
		}
	}
	s.Rules = make([]vdsoshim.TrapRule, len(r.plan.Rules))
	for i := range r.plan.Rules {
		rule := &r.plan.Rules[i]
		t := &s.Rules[i]
		if t.Nr = rule.Nr; !byHandler(rule) {
			continue
		}
		t.Answer = handlerAnswer(rule.Action)
		if rule.Action.Kind == policy.Shim && rule.Name == "getrandom" {
			t.Answer.Kind = vdsoshim.AnswerGenerator
		}
		if t.Alone = len(rule.Conds) == 0 && len(r.plan.For(rule.Nr)) == 1; t.Alone {
			delete(s.Numbers, rule.Nr)
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
	}
	// The clock's functions too: the kernel's own can make a system call, which would be trapped
	// inside the handler.
	return vdsoshim.Answer{Kind: vdsoshim.AnswerKernel}
}

// sigsysBit is SIGSYS in a mask of signals.
const sigsysBit = 1 << (unix.SIGSYS - 1)

// tells reports whether the notification is no exec, but the handler's word of a site,
// or of a process that wants to be traced.
func (s *server) tells() bool {
	return s.r.signals && s.n.nr == unix.SYS_EXECVE && s.n.arch == unix.AUDIT_ARCH_X86_64 &&
		s.n.ip == s.r.base+vdsoshim.ExitsEnd+syscallInsn && s.n.args[0] >= vdsoshim.SitePath && s.n.args[0] <= vdsoshim.OrdersPath
}

// learn patches the site that the handler tells of, or takes all records back.
func (s *server) learn(patches bool) {
	p, n := s.r.patching, &s.n
	s.resp = response{id: n.id, err: -int32(unix.EFAULT)} // nobody looks at it
	back, nr, times := n.args[1], n.args[2], n.args[3]&^vdsoshim.SiteUncounted
	v := visit{r: s.r, n: n, waits: s.handOn}
	h := hit{int32(n.pid), back}
	if back == 0 && s.r.plan.Uses(policy.SUD) {
		s.r.count("the program uses Syscall User Dispatch itself: its reflected calls are trapped by the filter", "process "+strconv.Itoa(int(n.pid))+exeName(int(n.pid)))
	}
	switch {
	case p == nil || n.pid == 0 || nr >= tableSize:
	case p.visitedNow(h): // it tells once more, whatever came of the visit
	case back == 0:
		s.handOn()
		if p.traced.Load() {
			v.attach()
		}
		p.patcher.Withdraw(int(n.pid), func() bool { return s.stillThere(&v) })
	case p.told[nr] && patches:
		if far := times >= visitAfter && !s.r.plain; p.may(far) {
			err := s.patchBy(&v, back, int(nr), far)
			if err == errTurn {
				return
			}
			if errors.Is(err, patch.ErrForbidden) {
				s.forbidden(&v)
			}
		}
	}
	if v.answered {
		p.visits(h)
	}
	v.end()
	if !v.answered && times != n.args[3] && p != nil && nr < tableSize && n.pid != 0 {
		s.handOn()
		if counter := p.patcher.Trapped(int(n.pid), back-syscallInsn, int(nr)); counter > 0 {
			s.resp = response{id: n.id, val: int64(counter)}
		}
	}
	if !v.answered { // else it is told again
		sendNotif(s.r.listener, &s.resp)
	}
}

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
