package bpf

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
)

// A span is a run of numbers, up to the start of the next, that meet the same
// code. The last one is x32's.
type span struct {
	start uint32
	to    label
}

// spans are in ascending order, the first starts at 0, and no two neighbours
// meet the same.
type spans []span

// add starts a span at start.
func (s *spans) add(start uint32, to label) {
	if n := len(*s); n > 0 && (*s)[n-1].start == start {
		*s = (*s)[:n-1]
	}
	if n := len(*s); n == 0 || (*s)[n-1].to != to {
		*s = append(*s, span{start, to})
	}
}

// foreign returns the answer to calls of other architectures and of x32.
func foreign(p *policy.Plan) answer {
	if p.RefusesForeign() {
		return always(errnoRet(int64(unix.ENOSYS)))
	}
	return allowed
}

// spans emits the bodies of all numbers that rules name, and returns who
// meets what.
func (a *assembler) spans(k kind, p *policy.Plan) (spans, error) {
	other, err := k.byDefault(p)
	if err != nil {
		return nil, err
	}
	unlisted := a.answer(other)
	out := spans{{0, unlisted}}
	var shared []sharedBody
	err = eachBody(k, p, other, a.exempt, func(nr int, b body) error {
		to, err := a.share(&shared, nr, b)
		out.add(uint32(nr), to)
		out.add(uint32(nr)+1, unlisted)
		return err
	})
	out.add(x32Bit, a.answer(foreign(p)))
	return out, err
}

// A sharedBody is a body with conditions that has been emitted.
type sharedBody struct {
	body
	label label
}

// share returns the label of code that decides b, which numbers may share.
func (a *assembler) share(shared *[]sharedBody, nr int, b body) (label, error) {
	if i := slices.IndexFunc(*shared, func(s sharedBody) bool { return s.equal(b) }); i >= 0 {
		return (*shared)[i].label, nil
	}
	to, err := a.body(nr, b, test)
	if len(b) > 1 {
		*shared = append(*shared, sharedBody{b, to})
	}
	return to, err
}

// eachBody calls f, in ascending order, with every number that filter k may
// not treat as unlisted, and what the filter says of it.
func eachBody(k kind, p *policy.Plan, other answer, x Exempt, f func(nr int, b body) error) error {
	signals := k == mainFilter && UsesSignals(p)
	return eachNumber(k, p, signals, func(nr, index int, rules []policy.Rule) error {
		call, patched := p.PatchedCall(nr)
		b, err := k.body(nr, index, rules, other, refuses(p), patched && call.Kind == policy.PatchPass, signals)
		if err != nil {
			return err
		}
		if signals {
			always := func(r policy.Rule) bool { return len(r.Conds) == 0 }
			act := p.Default
			if refuses(p) && slices.Contains(exemptNumbers[:], nr) {
				act = policy.Action{}
			}
			b = withSignals(nr, b, x, !slices.ContainsFunc(rules, always), act)
		}
		return f(nr, b)
	})
}

// eachNumber calls f, in ascending order, for every number that filter k may
// not treat as unlisted, with its rules and the first one's index in the plan.
func eachNumber(k kind, p *policy.Plan, signals bool, f func(nr, index int, rules []policy.Rule) error) error {
	var fixed []int
	switch {
	case refuses(p):
		fixed = exemptNumbers[:]
	case k == mainFilter:
		fixed = execNumbers[:]
	}
	if signals {
		fixed = slices.Clone(fixed)
		for i := range signalCalls {
			fixed = append(fixed, signalCalls[i].nr)
		}
		slices.Sort(fixed)
		fixed = slices.Compact(fixed)
	}
	rules := p.Rules
	for len(rules) > 0 || len(fixed) > 0 {
		if len(rules) == 0 || len(fixed) > 0 && fixed[0] < rules[0].Nr {
			if err := f(fixed[0], 0, nil); err != nil {
				return err
			}
			fixed = fixed[1:]
			continue
		}
		nr, n := rules[0].Nr, 1
		for n < len(rules) && rules[n].Nr == nr {
			n++
		}
		if len(fixed) > 0 && fixed[0] == nr {
			fixed = fixed[1:]
		}
		if err := f(nr, len(p.Rules)-len(rules), rules[:n]); err != nil {
			return err
		}
		rules = rules[n:]
	}
	return nil
}

// dispatch emits architecture test, number and search in front of what the
// spans lead to.
func (a *assembler) dispatch(s spans) {
	foreign := s[len(s)-1].to
	native := a.load(offNr, a.search(leaves(s)))
	a.load(offArch, a.branch(opEq, nativeArch, native, foreign))
}

// A leaf is as many spans as one comparison tells apart: one, two, or three
// where the middle one is a single number between two alike.
type leaf spans

func leaves(s spans) []leaf {
	var out []leaf
	for len(s) > 0 {
		n := min(len(s), 2)
		if len(s) > 2 && s[0].to == s[2].to && s[1].start+1 == s[2].start {
			n = 3
		}
		out = append(out, leaf(s[:n]))
		s = s[n:]
	}
	return out
}

// search emits a binary search over the leaves.
func (a *assembler) search(l []leaf) label {
	if len(l) > 1 {
		half := len(l) / 2
		high := a.search(l[half:])
		low := a.search(l[:half])
		return a.branch(opGe, l[half][0].start, high, low)
	}
	switch s := l[0]; len(s) {
	case 3:
		return a.branch(opEq, s[1].start, s[1].to, s[0].to)
	case 2:
		if s[0].start+1 == s[1].start {
			return a.branch(opEq, s[0].start, s[0].to, s[1].to)
		}
		return a.branch(opGe, s[1].start, s[1].to, s[0].to)
	default:
		return s[0].to
	}
}
