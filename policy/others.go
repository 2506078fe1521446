package policy

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Others is what becomes, under the mechanism SUD, of calls that no rule takes from the
// kernel: dispatch looks at no number, so it makes a signal of them too.
type Others uint8

const (
	// OthersPatch has the sites that make such calls again and again patched, as far
	// as that can be: calls from there are made without a signal.
	OthersPatch Others = iota
	// OthersSignal changes no code: each such call is a signal, which measures
	// dispatch itself.
	OthersSignal
)

var othersWords = [...]string{OthersPatch: "patch", OthersSignal: "signal"}

// String returns the word that a policy uses for o.
func (o Others) String() string {
	if int(o) < len(othersWords) {
		return othersWords[o]
	}
	return fmt.Sprintf("others(%d)", uint8(o))
}

var sudKeys = []string{"others"}

const (
	othersHint = "allowed: patch, signal"
	sudExample = "for example sud: {others: signal}"
)

func otherSUDKeys(key string) string {
	switch strings.ToLower(key) {
	case "patch", "signal":
		return "did you mean others: " + strings.ToLower(key) + "?"
	case "calls", "do", "when", "mechanism", "base", "except":
		return "this is a key of a rule, which is an element of the list rules"
	}
	return ""
}

// sud reads the key sud into p.
func (s *source) sud(v ast.Node, p *Policy) {
	m := s.section(v, "sud", sudKeys, sudExample)
	if m == nil {
		return
	}
	s.keys(m, sudKeys, otherSUDKeys, func(_ string, v ast.Node) {
		o := Others(max(s.oneOf(v, "value of others", othersWords[:], othersHint), 0))
		p.others = &o
	})
}

// Movable reports whether calls of number nr can be made by another instruction than the
// program's own, and have a name.
func Movable(nr int) bool {
	_, named := Name(nr)
	return named && nr < PatchNumbers && !neverPatched(nr)
}

// otherCalls is what becomes of calls that no rule names, in words: under dispatch they
// are not left alone.
func (p *Plan) otherCalls() string {
	switch {
	case !p.Uses(SUD):
		return ""
	case p.Others == OthersSignal:
		return "by sud, from a signal handler's exit"
	}
	return "by sud, without a signal where their sites are patched"
}
