package policy

import "slices"

// A Mechanism is how control leaves the normal path of a system call.
type Mechanism uint8

const (
	// Auto is the vDSO function where the shim has one, patched sites for system
	// calls as far as there are any (Plan.Patched), and notification for the rest.
	// What a filter can answer by itself it answers.
	Auto Mechanism = iota
	// VDSO replaces the vDSO function only; raw system calls stay the kernel's.
	VDSO
	// Notify sends every call, the vDSO's functions included, to the supervisor.
	Notify
	// Patch is Auto, and constants that a filter could answer are answered at
	// patched sites too.
	Patch
	// Trap sends every call, the vDSO's functions included, to a signal handler
	// in the shim, by SIGSYS from a seccomp filter (SECCOMP_RET_TRAP).
	Trap
	// SUD is Trap by Syscall User Dispatch (prctl(2), PR_SET_SYSCALL_USER_DISPATCH).
	SUD
	// Ptrace sends every call, the vDSO's functions included, to the supervisor by
	// a stop for a tracer that a filter asks for (SECCOMP_RET_TRACE).
	Ptrace
	// PtraceAll is Ptrace without a filter: the tracer stops all calls of the
	// program, those that no rule names too.
	PtraceAll
)

// mechanisms is their number.
const mechanisms = int(PtraceAll) + 1

// inProgram reports whether calls by m may be served without a system call: by the
// vDSO's functions, which the other mechanisms turn into calls that they see.
func (m Mechanism) inProgram() bool { return m == Auto || m == VDSO || m == Patch }

// A Kind is what a call meets.
type Kind uint8

const (
	// Allow leaves the call to the kernel.
	Allow Kind = iota
	// Shim serves it by the image's own function, and by the Go twin of that
	// function where it arrives as a raw system call.
	Shim
	// Go serves it by a handler in the supervisor, named by Action.Handler.
	Go
	// Return answers Action.Value.
	Return
	// Errno answers -Action.Errno.
	Errno
	// Stub makes the vDSO function perform the real system call.
	Stub
	// Deny refuses with EPERM, from every address.
	Deny
	// Kill kills the process (SECCOMP_RET_KILL_PROCESS).
	Kill
	// Audit lets the call through and logs it (SECCOMP_RET_LOG).
	Audit
	// Passthrough lets the kernel serve the call, by way of the shim at patched
	// sites and of the supervisor at others.
	Passthrough
)

// An Action is an implementation and its parameter.
type Action struct {
	Kind    Kind
	Handler string // Go
	Value   int64  // Return
	Errno   int    // Errno, 1 to 4095
}

// A Pos is a place in a policy file. Line and Column count from 1; a rule
// built in Go has none.
type Pos struct {
	File         string
	Line, Column int
}

// An Op compares an argument with a value, unsigned, in 64 bits.
type Op uint8

const (
	Equal Op = iota
	NotEqual
	Less
	LessEqual
	Greater
	GreaterEqual
	// MaskEqual is (argument & Mask) == Value.
	MaskEqual
)

// A Cond is a condition on one argument, 0 to 5.
type Cond struct {
	Arg   int
	Op    Op
	Mask  uint64 // MaskEqual
	Value uint64
}

// Holds reports whether args satisfy c.
func (c Cond) Holds(args *[6]uint64) bool {
	a := args[c.Arg]
	switch c.Op {
	case Equal:
		return a == c.Value
	case NotEqual:
		return a != c.Value
	case Less:
		return a < c.Value
	case LessEqual:
		return a <= c.Value
	case Greater:
		return a > c.Value
	case GreaterEqual:
		return a >= c.Value
	case MaskEqual:
		return a&c.Mask == c.Value
	}
	return false
}

// A Rule says what one system call meets when all of its conditions hold.
type Rule struct {
	Nr        int    // x86-64 system call number
	Name      string // its name
	Conds     []Cond // all must hold; none means always
	Mechanism Mechanism
	// OwnMechanism means that the rule itself names its mechanism, which
	// WithMechanism then leaves alone.
	OwnMechanism bool
	Action       Action
	// InSupervisor means that a constant answer, or a refusal, is given by
	// the supervisor and not by the filter, because the handoff itself needs
	// the call.
	InSupervisor bool
	// Base is what a site meets that is not patched, where Mechanism is Patch: Trap,
	// or, where it is Auto, notification.
	Base Mechanism
	// Implicit means that no rule of the policy says this: it is the default,
	// spelled out for a call that a filter can't apply it to.
	Implicit bool
	Pos      Pos
}

// A Plan is a checked policy: what every system call meets. It is immutable
// once built and safe for concurrent use.
type Plan struct {
	// Rules are ordered by number; among the rules of one number the first
	// whose conditions hold wins, and where none holds, Default applies.
	Rules      []Rule
	Default    Action // Allow, Deny, Errno, Kill or Audit
	DefaultPos Pos    // where the policy says so, if it does
	// Strict refuses, with EACCES, an exec whose image can't be reflected.
	Strict bool
	// ForeignAllow lets 32-bit and x32 calls through although there are deny
	// or kill rules or such a default; without them they are always let through.
	ForeignAllow bool
	// RNG is where random bytes come from. Where it is deterministic, the rules
	// of getrandom go by Notify.
	RNG RNG
	// Others is what becomes of calls under SUD that no rule takes from the kernel.
	Others Others
	// Warnings are about what the author may not have expected.
	Warnings []Warning
}

// For returns the rules of number nr, in order.
func (p *Plan) For(nr int) []Rule {
	i, ok := slices.BinarySearchFunc(p.Rules, nr, func(r Rule, nr int) int { return r.Nr - nr })
	if !ok {
		return nil
	}
	j := i + 1
	for j < len(p.Rules) && p.Rules[j].Nr == nr {
		j++
	}
	return p.Rules[i:j]
}

// Match returns the rule that a call meets, or nil where Default applies.
func (p *Plan) Match(nr int, args *[6]uint64) *Rule {
	rules := p.For(nr)
next:
	for i := range rules {
		for _, c := range rules[i].Conds {
			if !c.Holds(args) {
				continue next
			}
		}
		return &rules[i]
	}
	return nil
}

// Uses reports whether a rule sends its calls by m, as mechanism or as base.
func (p *Plan) Uses(m Mechanism) bool {
	return slices.ContainsFunc(p.Rules, func(r Rule) bool {
		return !r.Implicit && r.Reflects() && (r.Mechanism == m || r.Mechanism == Patch && r.Base == m)
	})
}

// Reflects reports whether r takes its call away from the kernel by a mechanism.
func (r *Rule) Reflects() bool {
	switch r.Action.Kind {
	case Shim, Go, Return, Errno, Passthrough:
		return true
	}
	return false
}

// Sees reports whether a call of that number may meet a filter that kills, or tells the audit log,
// whoever makes it.
func (p *Plan) Sees(nr int) bool {
	for _, r := range p.For(nr) {
		switch {
		case r.Action.Kind == Kill || r.Action.Kind == Audit:
			return true
		case len(r.Conds) == 0:
			return false
		}
	}
	return p.Default.Kind == Kill || p.Default.Kind == Audit
}

// RefusesForeign reports whether foreign-architecture and x32 calls are refused: a
// call that is denied by number must not be reachable by another number. A
// default of errno denies too: it is what lists of allowed calls end with.
func (p *Plan) RefusesForeign() bool {
	if p.ForeignAllow {
		return false
	}
	if k := p.Default.Kind; k == Deny || k == Kill || k == Errno {
		return true
	}
	return slices.ContainsFunc(p.Rules, func(r Rule) bool { return r.Action.Kind == Deny || r.Action.Kind == Kill })
}

// HandoffCalls are the calls that the supervisor performs inside a program at
// each exec; no filter may take them away.
var HandoffCalls = []string{"execve", "execveat", "mmap", "mprotect", "munmap", "prctl", "close", "seccomp"}
