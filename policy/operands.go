package policy

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// This file reads what a rule is about: calls, except and when.

// list returns the elements of a list, or a single value as a list of one.
func (s *source) list(n ast.Node, key string) []ast.Node {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		return []ast.Node{n}
	}
	if len(seq.Values) == 0 {
		s.fail(start(n), failf("the list %s is empty", key))
	}
	return seq.Values
}

// targets reads calls and except.
func (s *source) targets(n ast.Node, key string) []target {
	var out []target
	named := make(map[int]bool)
	for _, v := range s.list(n, key) {
		if len(s.errs) >= maxErrors {
			break
		}
		word, ok := s.word(v)
		if !ok {
			s.fail(start(v), failf("expected a call's name, number or set, not %s", describe(v)).hint("for example [getrandom, \"@time\", 318]"))
			continue
		}
		nrs, e := calls(word)
		if e != nil {
			s.fail(start(v), e)
			continue
		}
		exact := !strings.HasPrefix(word, "@")
		pos := s.pos(v.GetToken())
		for _, nr := range nrs {
			i := slices.IndexFunc(out, func(t target) bool { return t.nr == nr })
			switch {
			case i < 0:
				out = append(out, target{nr, exact, pos})
			case exact && named[nr]:
				s.fail(start(v), failf("%s stands in this list twice", label(nr)))
			case exact: // also in a set of the same list
				out[i].named, out[i].pos = true, pos
			}
			if exact {
				named[nr] = true
			}
		}
	}
	return out
}

// without removes the calls that except names.
func (s *source) without(targets, except []target, n ast.Node) []target {
	before := len(s.errs)
	for _, x := range except {
		if x.named && !slices.ContainsFunc(targets, func(t target) bool { return t.nr == x.nr }) {
			s.failAt(x.pos, failf("%s is not among the calls of this rule", label(x.nr)))
		}
	}
	out := slices.DeleteFunc(slices.Clone(targets), func(t target) bool {
		return slices.ContainsFunc(except, func(x target) bool { return x.nr == t.nr })
	})
	switch len(out) {
	case 0:
		s.fail(start(n), failf("except leaves no call of this rule"))
	case len(targets):
		if len(s.errs) > before {
			break
		}
		s.fail(start(n), failf("except takes away nothing from this rule"))
	}
	return out
}

// conds reads when.
func (s *source) conds(n ast.Node) []Cond {
	var out []Cond
	for _, v := range s.list(n, "when") {
		if len(s.errs) >= maxErrors {
			break
		}
		word, ok := s.word(v)
		if !ok {
			s.fail(start(v), failf("expected a condition, not %s", describe(v)).hint("%s", expressionForms))
			continue
		}
		c, e := parseCond(word)
		if e != nil {
			s.failAt(s.within(v.GetToken(), word, e.off), e.Error)
			continue
		}
		out = append(out, c)
	}
	if len(s.errs) > 0 {
		return out
	}
	if e := checkConds(out); e != nil {
		s.fail(start(n), e)
	}
	return out
}

// within is the place of byte off of a scalar, where that stands in the source
// as it is, and else the place of the scalar.
func (s *source) within(t *token.Token, word string, off int) Pos {
	p := s.pos(t)
	line := []rune(s.lineText(p.Line))
	rest := string(line[min(p.Column-1, len(line)):])
	quote := 0
	if rest != "" && (rest[0] == '"' || rest[0] == '\'') {
		quote, rest = 1, rest[1:]
	}
	if strings.HasPrefix(rest, word) {
		p.Column += quote + utf8.RuneCountInString(word[:min(off, len(word))])
	}
	return p
}
