package policy

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// Version is the version of the policy format.
const Version = 1

var (
	topKeys  = []string{"version", "description", "default", "strict", "foreign", "rng", "sud", "rules"}
	ruleKeys = []string{"calls", "except", "when", "mechanism", "base", "do"}
)

// Parse reads one policy. Name stands for the source in positions. The error
// is an Errors, in the order of the file.
func Parse(name string, text []byte) (*Policy, error) {
	s := &source{name: name}
	p := &Policy{Name: name}
	if body := s.parseYAML(text); body != nil {
		s.policy(body, p)
	}
	if len(s.errs) > 0 {
		slices.SortStableFunc(s.errs, func(a, b *Error) int {
			if a.Pos.Line != b.Pos.Line {
				return a.Pos.Line - b.Pos.Line
			}
			return a.Pos.Column - b.Pos.Column
		})
		return nil, s.errs
	}
	return p, nil
}

// policy reads the top of the file.
func (s *source) policy(body *ast.MappingNode, p *Policy) {
	var rules ast.Node
	version := false
	known := s.keys(body, topKeys, otherTopKeys, func(key string, v ast.Node) {
		switch key {
		case "version":
			version = true
			s.version(v)
		case "description":
			p.Description = s.text(v)
		case "default":
			if a, ok := s.action(v, true); ok {
				if e := checkDefault(a); e != nil {
					s.fail(start(v), e)
				}
				p.def, p.defPos = &a, s.pos(v.GetToken())
			}
		case "strict":
			if b, ok := v.(*ast.BoolNode); ok {
				p.strict = &b.Value
			} else {
				s.fail(start(v), failf("strict is true or false, not %s", s.show(v)))
			}
		case "foreign":
			switch word, _ := s.word(v); word {
			case "allow", "refuse":
				allow := word == "allow"
				p.foreign = &allow
			default:
				s.fail(start(v), failf("foreign is allow or refuse, not %s", s.show(v)).
					hint("it says whether 32-bit and x32 calls are let through although some calls are denied"))
			}
		case "rng":
			s.rng(v, p)
		case "sud":
			s.sud(v, p)
		case "rules":
			rules = v
		}
	})
	if !version && known {
		s.fail(start(body), failf("the version is missing").hint("the file begins with: version: %d", Version))
	}
	switch n := rules.(type) {
	case nil:
	case *ast.SequenceNode:
		var l layer
		for _, v := range n.Values {
			if len(s.errs) >= maxErrors {
				break
			}
			s.rule(v, &l)
		}
		p.rules = l.rules
	default:
		s.fail(start(rules), failf("rules is a list, not %s", describe(rules)).hint("for example rules: [{calls: getrandom, do: shim}]"))
	}
}

// start is the token that a node begins with; a mapping without braces has the
// first colon as its own.
func start(n ast.Node) *token.Token {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return start(m.Values[0].Key)
	}
	return n.GetToken()
}

func (s *source) version(v ast.Node) {
	word, _ := s.word(v)
	n, ok := parseUint(word)
	switch {
	case !ok:
		s.fail(start(v), failf("version is a number, not %s", s.show(v)).hint("version: %d", Version))
	case n > Version:
		s.fail(start(v), failf("version %s is newer than this program, which knows version %d", word, Version).wrap(ErrUnavailable))
	case n != Version:
		s.fail(start(v), failf("there is no version %s of the format", word).hint("version: %d", Version))
	}
}

// rule reads one element of rules.
func (s *source) rule(n ast.Node, l *layer) {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		s.fail(start(n), failf("a rule is a mapping, not %s", describe(n)).hint("for example {calls: getrandom, do: shim}"))
		return
	}
	before := len(s.errs)
	var r Rule
	var targets, except []target
	var calls, do, mechanism, base, exceptNode ast.Node
	first := m.GetToken()
	if len(m.Values) > 0 {
		first = m.Values[0].Key.GetToken()
	}
	r.Pos = s.pos(first)
	known := s.keys(m, ruleKeys, otherRuleKeys, func(key string, v ast.Node) {
		switch key {
		case "calls":
			calls = v
			targets = s.targets(v, "calls")
		case "except":
			exceptNode = v
			except = s.targets(v, "except")
		case "when":
			r.Conds = s.conds(v)
		case "mechanism":
			mechanism = v
			r.Mechanism, r.OwnMechanism = s.mechanism(v)
		case "base":
			base = v
			r.Base = s.base(v)
		case "do":
			do = v
			r.Action, _ = s.action(v, false)
		}
	})
	if calls == nil && known {
		s.fail(first, failf("this rule names no calls").hint("calls: a name, a number, a set such as \"@time\", or a list of them"))
	}
	if do == nil && known {
		s.fail(first, failf("this rule does not say what to do").hint("%s", doAllowed))
	}
	if len(s.errs) > before {
		return
	}
	if e := checkAction(r.Action); e != nil {
		s.fail(start(do), e)
		return
	}
	if e := checkMechanism(r.Mechanism, r.Action, r.Conds); e != nil {
		at := do
		if mechanism != nil {
			at = mechanism
		}
		s.fail(start(at), e)
		return
	}
	if base != nil && r.Mechanism != Patch {
		s.fail(start(base), failf("base is what sites meet that are not patched, so it needs mechanism: patch"))
		return
	}
	if exceptNode != nil {
		targets = s.without(targets, except, exceptNode)
	}
	for _, e := range l.add(targets, r) {
		s.failAt(e.Pos, e)
	}
}

// section is what stands at a key of the policy that has keys of its own; nil if that is
// something else, or nothing.
func (s *source) section(v ast.Node, name string, keys []string, example string) *ast.MappingNode {
	m, ok := v.(*ast.MappingNode)
	switch {
	case !ok:
		s.fail(start(v), failf("%s is a mapping, not %s", name, s.show(v)).hint("%s", example))
	case len(m.Values) == 0:
		s.fail(start(v), failf("%s says nothing", name).hint("keys: %s", strings.Join(keys, ", ")))
	default:
		return m
	}
	return nil
}

// keys calls f for every key of m that is allowed, once, and reports whether
// all of them are.
func (s *source) keys(m *ast.MappingNode, allowed []string, other func(string) string, f func(key string, v ast.Node)) (known bool) {
	known = true
	seen := make(map[string]Pos, len(allowed))
	for _, kv := range m.Values {
		if len(s.errs) >= maxErrors {
			break
		}
		k := kv.Key.(ast.Node)
		key, ok := s.word(k)
		pos := s.pos(k.GetToken())
		if !ok {
			s.failAt(pos, failf("a key is a word, not %s", describe(k)))
			continue
		}
		if first, dup := seen[key]; dup {
			s.failAt(pos, failf("the key %s stands here twice, first in line %d", printable([]rune(key)), first.Line).hint("remove one, the later would hide the earlier"))
			continue
		}
		if !slices.Contains(allowed, key) {
			known = false
			e := failf("unknown key %q", key).wrap(ErrUnknown)
			if h := other(key); h != "" {
				_ = e.hint("%s", h)
			} else {
				_ = e.hint("%s", meant(key, allowed))
			}
			s.failAt(pos, e)
			continue
		}
		seen[key] = pos
		if _, null := kv.Value.(*ast.NullNode); null {
			// Read as if it were left out, but for the keys that must be there.
			s.failAt(pos, failf("the key %s has no value", key))
			known = false
			continue
		}
		f(key, kv.Value)
	}
	return known
}

// word returns a scalar as it is written, without quotes. Text of several
// lines is none.
func (s *source) word(n ast.Node) (string, bool) {
	switch n.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// text returns free text.
func (s *source) text(n ast.Node) string {
	switch n := n.(type) {
	case *ast.NullNode:
		return ""
	case *ast.LiteralNode:
		return strings.TrimSpace(n.Value.Value)
	}
	word, ok := s.word(n)
	if !ok {
		s.fail(start(n), failf("expected text, not %s", describe(n)))
	}
	return strings.TrimSpace(word)
}

// show quotes a value in a message.
func (s *source) show(n ast.Node) string {
	word, ok := s.word(n)
	if !ok {
		return describe(n)
	}
	if utf8.RuneCountInString(word) > 40 {
		word = string([]rune(word)[:40]) + "…"
	}
	return strconv.Quote(word)
}
