package policy

import "slices"

// maxRules bounds what one source may come to, counted per call: a seccomp
// program has at most 4096 instructions (BPF_MAXINSNS), so more could not be
// loaded anyway, and sets under many conditions would take much memory.
const maxRules = 4096

// A Policy is one checked source: a file, a preset or a Builder's rules. It is
// immutable, and says less than a Plan: only Merge knows what the calls that
// it does not name will meet.
type Policy struct {
	Name        string // the file's path, "preset NAME", or "" for a Builder
	Description string

	def     *Action // nil: not said
	defPos  Pos
	strict  *bool
	foreign *bool // true: allow
	rng     *RNG  // its source and seed
	block   *Block
	cpus    *CPUs
	others  *Others
	rules   []Rule
}

// A layer collects the rules of one source and finds those that can't be
// reached.
type layer struct {
	rules  []Rule
	byCall map[int][]int // number to indexes in rules
}

// A target is one call of a rule, and whether the rule names it itself or
// through a set.
type target struct {
	nr    int
	named bool
	pos   Pos
}

// add appends r for every target. A call that comes by a set and is already
// decided keeps the earlier rule, so that the particular may stand before the
// general; a call that is named in vain is an error, and so is a rule that
// has nothing left.
func (l *layer) add(targets []target, r Rule) Errors {
	var errs Errors
	if l.byCall == nil {
		l.byCall = make(map[int][]int)
	}
	if e := checkConds(r.Conds); e != nil {
		return Errors{e.at(r.Pos)}
	}
	left := 0
	var hidden *Rule
	var bad refusals
	for _, t := range targets {
		if h := l.hides(t.nr, r.Conds); h != nil {
			if t.named {
				errs = append(errs, unreachable(label(t.nr), h).at(t.pos))
			}
			hidden = h
			continue
		}
		left++
		if why, hint := refuses(t.nr, r.Action, !t.named); why != "" {
			bad.add(t, why, hint)
			continue
		}
		if len(l.rules) == maxRules {
			return append(errs, failf("more than %d rules, counted per call", maxRules).at(r.Pos).
				hint("a seccomp filter can't hold them: use sets with fewer calls or conditions"))
		}
		rule := r
		rule.Nr, rule.Name = t.nr, label(t.nr)
		rule.InSupervisor = inSupervisor(t.nr, r.Action.Kind)
		l.byCall[t.nr] = append(l.byCall[t.nr], len(l.rules))
		l.rules = append(l.rules, rule)
	}
	if left == 0 && len(errs) == 0 && hidden != nil {
		errs = append(errs, unreachable("this rule", hidden).at(r.Pos))
	}
	return append(errs, bad.errors()...)
}

// refusals collects the calls of one word of a policy that can't be met for
// the same reason, so that a set makes one error and not twenty.
type refusals []struct {
	pos       Pos
	names     []string
	why, hint string
}

func (rs *refusals) add(t target, why, hint string) {
	for i := range *rs {
		if r := &(*rs)[i]; r.pos == t.pos && r.why == why {
			r.names = append(r.names, label(t.nr))
			return
		}
	}
	*rs = append(*rs, refusals{{t.pos, []string{label(t.nr)}, why, hint}}...)
}

func (rs refusals) errors() Errors {
	var out Errors
	for _, r := range rs {
		e := failf("%s %s", enumerate(r.names), r.why).at(r.pos)
		e.Hint = r.hint
		out = append(out, e)
	}
	return out
}

// hides returns the earlier rule of the same source that holds whenever conds
// hold.
func (l *layer) hides(nr int, conds []Cond) *Rule {
	for _, i := range l.byCall[nr] {
		if implies(conds, l.rules[i].Conds) {
			return &l.rules[i]
		}
	}
	return nil
}

func unreachable(what string, by *Rule) *Error {
	e := failf("%s is never reached: an earlier rule already answers with %v", what, by.Action)
	if by.Pos.Line > 0 {
		e.Msg += " (" + by.Pos.String() + ")"
	}
	return e.hint("the first rule that holds wins: put the rule with the narrower conditions first, or remove one")
}

// inSupervisor reports whether the supervisor must give an answer that the
// filter could give: the handoff makes these calls, and no filter can tell it
// from the program.
func inSupervisor(nr int, k Kind) bool {
	switch k {
	case Deny, Errno, Return:
		return isHandoff(nr)
	}
	return false
}

// sortRules orders rules by number and leaves the order within a number.
func sortRules(rules []Rule) {
	slices.SortStableFunc(rules, func(a, b Rule) int { return a.Nr - b.Nr })
}
