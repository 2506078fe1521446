package bpf

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
)

// x32Bit marks numbers of the x32 ABI (__X32_SYSCALL_BIT, asm/unistd.h). No
// native number is as large, so numbers from here on are refused or let
// through together, -1 included.
const x32Bit = 0x40000000

// A span is a run of numbers, up to the start of the next, that meet the same
// code. The last one is x32's.
type span struct {
	start uint32
	to    label
}

// spans emits the bodies of all numbers that rules name, and returns who
// meets what.
func (a *assembler) spans(k kind, p *policy.Plan, gate uint64) ([]span, error) {
	other, err := k.byDefault(p)
	if err != nil {
		return nil, err
	}
	foreign := allowed
	if p.RefusesForeign() {
		foreign = always(errnoRet(int64(unix.ENOSYS)))
	}
	unlisted := a.answer(other, gate)
	type emitted struct {
		body
		label label
	}
	var conditional []emitted
	out := []span{{0, unlisted}}
	add := func(nr uint32, to label) {
		if last := &out[len(out)-1]; last.start == nr {
			out = out[:len(out)-1]
		}
		if len(out) == 0 || out[len(out)-1].to != to {
			out = append(out, span{nr, to})
		}
	}
	err = eachNumber(k, p, func(nr int, rules []policy.Rule) error {
		b, err := k.body(nr, rules, other, refuses(p))
		if err != nil {
			return err
		}
		var to label
		if len(b) == 1 {
			to = a.answer(b[0].answer, gate)
		} else if i := slices.IndexFunc(conditional, func(e emitted) bool { return e.equal(b) }); i >= 0 {
			to = conditional[i].label
		} else {
			if to, err = a.body(b, gate); err != nil {
				return err
			}
			conditional = append(conditional, emitted{b, to})
		}
		add(uint32(nr), to)
		add(uint32(nr)+1, unlisted)
		return nil
	})
	if err != nil {
		return nil, err
	}
	add(x32Bit, a.answer(foreign, gate))
	return out, nil
}

// eachNumber calls f, in ascending order, for every number that filter k may
// not treat as unlisted.
func eachNumber(k kind, p *policy.Plan, f func(nr int, rules []policy.Rule) error) error {
	var fixed []int
	switch {
	case refuses(p):
		fixed = exemptNumbers[:]
	case k == mainFilter:
		fixed = execNumbers[:]
	}
	rules := p.Rules
	for len(rules) > 0 || len(fixed) > 0 {
		if len(rules) == 0 || len(fixed) > 0 && fixed[0] < rules[0].Nr {
			if err := f(fixed[0], nil); err != nil {
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
		if err := f(nr, rules[:n]); err != nil {
			return err
		}
		rules = rules[n:]
	}
	return nil
}

// dispatch emits architecture test, number and search in front of what the
// spans lead to.
func (a *assembler) dispatch(s []span) {
	foreign := s[len(s)-1].to
	native := a.load(offNr, a.search(leaves(s)))
	a.load(offArch, a.branch(opEq, unix.AUDIT_ARCH_X86_64, native, foreign))
}

// A leaf is as many spans as one comparison tells apart: one, two, or three
// where the middle one is a single number between two alike.
type leaf []span

func leaves(s []span) []leaf {
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
