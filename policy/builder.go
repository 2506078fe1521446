package policy

import "fmt"

// A Builder makes a policy in Go. Its methods may be chained; what is wrong is
// kept and returned by Policy or Plan. Rules are asked in the order in which
// they were added, and the first that holds wins.
type Builder struct {
	p    Policy
	l    layer
	n    int // rules so far
	errs Errors
}

// New returns an empty Builder: every call is allowed.
func New() *Builder { return &Builder{} }

// Reflect adds a rule by the mechanism Auto. Call is a name, a number or a set
// such as "@time"; all of conds must hold.
func (b *Builder) Reflect(call string, a Action, conds ...Cond) *Builder {
	return b.rule(call, Rule{Action: a, Conds: conds})
}

// ReflectBy adds a rule with a mechanism of its own.
func (b *Builder) ReflectBy(m Mechanism, call string, a Action, conds ...Cond) *Builder {
	return b.rule(call, Rule{Action: a, Conds: conds, Mechanism: m, OwnMechanism: true})
}

// Shim has the call served by the image's own function.
func (b *Builder) Shim(call string) *Builder { return b.Reflect(call, Action{Kind: Shim}) }

// Go has the call served by the handler of that name in the supervisor.
func (b *Builder) Go(call, handler string, conds ...Cond) *Builder {
	return b.Reflect(call, Action{Kind: Go, Handler: handler}, conds...)
}

// Return answers the call with v.
func (b *Builder) Return(call string, v int64, conds ...Cond) *Builder {
	return b.Reflect(call, Action{Kind: Return, Value: v}, conds...)
}

// Errno answers the call with an error, such as unix.ENOSYS.
func (b *Builder) Errno(call string, errno error, conds ...Cond) *Builder {
	e, ok := errnoOf(errno)
	if !ok {
		b.n++
		b.fail(failf("%v is no errno", errno).hint("give a syscall.Errno, such as unix.EPERM"))
		return b
	}
	return b.Reflect(call, Action{Kind: Errno, Errno: e}, conds...)
}

// Allow leaves the call to the kernel.
func (b *Builder) Allow(call string, conds ...Cond) *Builder {
	return b.Reflect(call, Action{Kind: Allow}, conds...)
}

// Passthrough has the kernel serve the call by way of the shim or the supervisor,
// which shows what that way costs.
func (b *Builder) Passthrough(call string, conds ...Cond) *Builder {
	return b.Reflect(call, Action{Kind: Passthrough}, conds...)
}

// Deny refuses the call with EPERM, from every address.
func (b *Builder) Deny(call string, conds ...Cond) *Builder {
	return b.Reflect(call, Action{Kind: Deny}, conds...)
}

// Default sets what calls meet that no rule names or no condition admits:
// Allow, Deny, Errno, Kill or Audit.
func (b *Builder) Default(a Action) *Builder {
	if e := checkDefault(a); e != nil {
		b.errs = append(b.errs, e)
		return b
	}
	b.p.def = &a
	return b
}

// Strict has an exec refused, with EACCES, whose image can't be reflected.
func (b *Builder) Strict(on bool) *Builder {
	b.p.strict = &on
	return b
}

// Foreign says whether 32-bit and x32 calls are let through although the
// policy denies or kills some calls.
func (b *Builder) Foreign(allow bool) *Builder {
	b.p.foreign = &allow
	return b
}

// RNG says where random bytes come from, and how the shim makes them.
func (b *Builder) RNG(r RNG) *Builder {
	if e := r.check(); e != nil {
		b.errs = append(b.errs, e)
		return b
	}
	b.p.rng, b.p.block, b.p.cpus = &r, &r.Block, &r.CPUs
	return b
}

// Others says what becomes of calls under SUD that no rule takes from the kernel.
func (b *Builder) Others(o Others) *Builder {
	if int(o) >= len(othersWords) {
		b.errs = append(b.errs, failf("unknown %v", o).wrap(ErrUnknown).hint(othersHint))
		return b
	}
	b.p.others = &o
	return b
}

// Policy returns what was built, to be merged with others.
func (b *Builder) Policy() (*Policy, error) {
	if len(b.errs) > 0 {
		return nil, b.errs
	}
	p := b.p
	p.rules = append([]Rule(nil), b.l.rules...)
	return &p, nil
}

// Plan returns what was built as a plan of its own.
func (b *Builder) Plan() (*Plan, error) {
	p, err := b.Policy()
	if err != nil {
		return nil, err
	}
	return Merge(p)
}

func (b *Builder) rule(call string, r Rule) *Builder {
	b.n++
	if e := checkAction(r.Action); e != nil {
		return b.fail(e)
	}
	if e := checkMechanism(r.Mechanism, r.Action, r.Conds); e != nil {
		return b.fail(e)
	}
	nrs, err := calls(call)
	if err != nil {
		return b.fail(err)
	}
	r.Conds = append([]Cond(nil), r.Conds...)
	targets := make([]target, len(nrs))
	for i, nr := range nrs {
		targets[i] = target{nr: nr, named: call[0] != '@'}
	}
	for _, e := range b.l.add(targets, r) {
		b.fail(e)
	}
	return b
}

// fail keeps e, with the rule's place in the order in place of a line.
func (b *Builder) fail(e *Error) *Builder {
	e.Msg = fmt.Sprintf("rule %d: %s", b.n, e.Msg)
	b.errs = append(b.errs, e)
	return b
}

// An Argument is one argument of a system call, to be compared: Arg(1).Equal(0).
type Argument int

// Arg returns the argument with index i, from 0 to 5.
func Arg(i int) Argument { return Argument(i) }

// Equal is arg == v.
func (a Argument) Equal(v uint64) Cond { return Cond{Arg: int(a), Op: Equal, Value: v} }

// NotEqual is arg != v.
func (a Argument) NotEqual(v uint64) Cond { return Cond{Arg: int(a), Op: NotEqual, Value: v} }

// Less is arg < v, unsigned.
func (a Argument) Less(v uint64) Cond { return Cond{Arg: int(a), Op: Less, Value: v} }

// LessEqual is arg <= v, unsigned.
func (a Argument) LessEqual(v uint64) Cond { return Cond{Arg: int(a), Op: LessEqual, Value: v} }

// Greater is arg > v, unsigned.
func (a Argument) Greater(v uint64) Cond { return Cond{Arg: int(a), Op: Greater, Value: v} }

// GreaterEqual is arg >= v, unsigned.
func (a Argument) GreaterEqual(v uint64) Cond { return Cond{Arg: int(a), Op: GreaterEqual, Value: v} }

// Masked is arg & mask == v.
func (a Argument) Masked(mask, v uint64) Cond {
	return Cond{Arg: int(a), Op: MaskEqual, Mask: mask, Value: v}
}

// Int is an argument of C's type int equal to v: the kernel looks at its low 32
// bits only, and programs leave anything in the others.
func (a Argument) Int(v int32) Cond { return a.Masked(0xffffffff, uint64(uint32(v))) }
