package policy

import "slices"

// A Warning is something that a plan does and its author may not expect.
type Warning struct {
	Pos Pos
	Msg string
	// EachRun means that whoever runs a program under the plan is to be told,
	// and not only who looks at the policy.
	EachRun bool
}

// String returns the place and the message.
func (w Warning) String() string {
	if s := w.Pos.String(); s != "" {
		return s + ": " + w.Msg
	}
	return w.Msg
}

// Merge lays policies over each other and returns the plan that they make.
// Rules of a later policy are asked first: where one holds it wins, and where
// none holds the earlier policies decide. Of default, strict, foreign, the source
// of random bytes with its seed, the block function, the processors and the other calls
// of sud the last policy that says something about them counts.
func Merge(policies ...*Policy) (*Plan, error) {
	p := &Plan{}
	for i := len(policies) - 1; i >= 0; i-- {
		p.Rules = append(p.Rules, policies[i].rules...)
	}
	for _, q := range policies {
		if q.def != nil {
			p.Default, p.DefaultPos = *q.def, q.defPos
		}
		if q.strict != nil {
			p.Strict = *q.strict
		}
		if q.foreign != nil {
			p.ForeignAllow = *q.foreign
		}
		if q.rng != nil {
			p.RNG.Source, p.RNG.Seed, p.RNG.Pos = q.rng.Source, q.rng.Seed, q.rng.Pos
		}
		if q.block != nil {
			p.RNG.Block = *q.block
		}
		if q.cpus != nil {
			p.RNG.CPUs = *q.cpus
		}
		if q.others != nil {
			p.Others = *q.others
		}
	}
	p.Rules = append(p.Rules, defaultRules(p.Default, p.DefaultPos)...)
	sortRules(p.Rules)
	p.Rules = dropHidden(p.Rules)
	if errs := append(settle(p.Rules), p.settleRNG()...); len(errs) > 0 {
		return nil, errs
	}
	p.Warnings = warnings(p)
	return p, nil
}

// defaultRules makes the default explicit for the calls that a filter can't
// apply it to, so that a plan's rules are the whole truth about them.
func defaultRules(def Action, pos Pos) []Rule {
	var out []Rule
	rule := func(name string, a Action) {
		nr, _ := Number(name)
		out = append(out, Rule{Nr: nr, Name: name, Action: a, InSupervisor: inSupervisor(nr, a.Kind), Implicit: true, Pos: pos})
	}
	switch def.Kind {
	case Deny, Errno, Kill:
		for _, name := range ExemptCalls {
			rule(name, Action{Kind: Allow})
		}
		refusal := def
		if def.Kind == Kill {
			refusal = Action{Kind: Deny}
		}
		for _, name := range HandoffCalls {
			rule(name, refusal)
		}
	case Audit:
		rule("execve", Action{Kind: Allow})
		rule("execveat", Action{Kind: Allow})
	}
	return out
}

// dropHidden removes rules that an earlier rule of the same number hides; in
// one source that is an error, between sources it is what overriding means.
func dropHidden(rules []Rule) []Rule {
	out := rules[:0]
	first := 0 // of the current number, in out
	for _, r := range rules {
		if len(out) > 0 && out[len(out)-1].Nr != r.Nr {
			first = len(out)
		}
		hidden := slices.ContainsFunc(out[first:], func(e Rule) bool { return implies(r.Conds, e.Conds) })
		if !hidden {
			out = append(out, r)
		}
	}
	return slices.Clip(out)
}

// settle gives every rule the mechanism that it will have. A vDSO function is
// called without a filter, and so is what a patched site jumps to, so where any
// rule of a call has conditions, everything goes through the filter.
func settle(rules []Rule) Errors {
	var errs Errors
	for i := 0; i < len(rules); {
		j := i
		for j < len(rules) && rules[j].Nr == rules[i].Nr {
			j++
		}
		group := rules[i:j]
		settlePatch(group)
		if k := slices.IndexFunc(group, func(r Rule) bool { return len(r.Conds) > 0 }); k >= 0 {
			for g := range group {
				r := &group[g]
				if r.Action.Kind != Shim {
					continue
				}
				if r.Mechanism == VDSO {
					where := ""
					if group[k].Pos.Line > 0 {
						where = ", at " + group[k].Pos.String()
					}
					errs = append(errs, failf("mechanism vdso can't serve %s: a rule tests its arguments (%v%s), which only a filter can",
						r.Name, group[k].Conds[0], where).at(r.Pos).hint("use notify or auto"))
					continue
				}
				if r.Mechanism.inProgram() || r.Mechanism == SUD {
					r.Mechanism = Notify
				}
			}
		}
		i = j
	}
	return errs
}

// canServe reports whether m, asked for by the user and not by the rule, serves r.
// What runs in the program has no handlers in Go, and only a filter tests arguments.
func (m Mechanism) canServe(r *Rule) bool {
	switch m {
	case Patch, SUD:
		return r.Action.Kind != Go && len(r.Conds) == 0
	case Trap:
		return r.Action.Kind != Go
	}
	return true
}

// settlePatch takes the mechanism patch from rules that it can't serve: what a
// filter can answer is then left to the filter.
func settlePatch(group []Rule) {
	tested := slices.ContainsFunc(group, func(r Rule) bool { return len(r.Conds) > 0 })
	for i := range group {
		r := &group[i]
		if r.Mechanism == Patch && (tested || neverPatched(r.Nr)) {
			r.Mechanism = Auto
			if r.Base == Trap {
				r.Mechanism, r.Base = Trap, Auto
			}
		}
	}
}

// WithMechanism returns a plan in which every rule that names no mechanism of
// its own has m, as far as a mechanism means anything for it: allow, deny,
// kill, audit and stub have none, a rule whose call is tested for arguments keeps
// notify under auto, and so does getrandom where its bytes are deterministic.
// Patch, trap and sud leave the rules at auto that they can't serve.
func (p *Plan) WithMechanism(m Mechanism) (*Plan, error) {
	if int(m) >= len(mechanismWords) {
		return nil, failf("unknown mechanism %d", m).wrap(ErrUnknown)
	}
	q := *p
	q.Rules = slices.Clone(p.Rules)
	var errs Errors
	for i := range q.Rules {
		r := &q.Rules[i]
		if r.OwnMechanism || r.Implicit {
			continue
		}
		switch r.Action.Kind {
		case Shim, Go, Return, Errno, Passthrough:
			r.Base = Auto
			if !m.canServe(r) {
				r.Mechanism = Auto
				continue
			}
			if e := checkMechanism(m, r.Action, r.Conds); e != nil {
				errs = append(errs, e.at(r.Pos))
				continue
			}
			r.Mechanism = m
		}
	}
	errs = append(errs, settle(q.Rules)...)
	errs = append(errs, q.settleRNG()...)
	if len(errs) > 0 {
		return nil, errs
	}
	return &q, nil
}
