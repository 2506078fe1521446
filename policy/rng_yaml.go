package policy

import (
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// This file reads the key rng.

var rngKeys = []string{"source", "seed", "block", "cpus"}

const (
	// maxSeed bounds a seed that is a text, in bytes.
	maxSeed = 256

	rngExample   = "for example rng: {source: deterministic, seed: 42}"
	sourceHint   = "allowed: kernel-seeded, deterministic"
	blockHint    = "allowed: auto, avx512, avx2, scalar"
	cpusHint     = "allowed: one, all"
	seedAllowed  = "a seed is a number from 0 to 18446744073709551615, or a text of 1 to 256 bytes"
	seedOfNumber = "without quotes it is the number; as a text, add a letter"
)

func otherRNGKeys(key string) string {
	switch strings.ToLower(key) {
	case "deterministic":
		return "did you mean source: deterministic?"
	case "mechanism", "do", "calls", "when":
		return "this is a key of a rule, which is an element of the list rules"
	case "generator", "cipher", "function":
		return "did you mean block? the cipher is always ChaCha20"
	}
	return ""
}

func noSeed() *Error { return failf("source deterministic needs a seed").hint(rngExample) }

func longSeed() *Error { return failf("a seed has at most %d bytes", maxSeed) }

// rng reads the key rng into p.
func (s *source) rng(v ast.Node, p *Policy) {
	m := s.section(v, "rng", rngKeys, rngExample)
	if m == nil {
		return
	}
	before := len(s.errs)
	var from, seed ast.Node
	var r RNG
	known := s.keys(m, rngKeys, otherRNGKeys, func(key string, v ast.Node) {
		switch key {
		case "source":
			from = v
			i := s.oneOf(v, "source", sourceWords[:], sourceHint)
			r.Source, r.Pos = RNGSource(max(i, 0)), s.pos(v.GetToken())
		case "seed":
			seed = v
			r.Seed = s.seed(v)
		case "block":
			b := Block(max(s.oneOf(v, "block function", blockWords[:], blockHint), 0))
			p.block = &b
		case "cpus":
			c := CPUs(max(s.oneOf(v, "value of cpus", cpusWords[:], cpusHint), 0))
			p.cpus = &c
		}
	})
	if len(s.errs) > before || !known {
		return
	}
	switch {
	case seed != nil && from == nil:
		s.fail(start(seed), failf("a seed needs a source").hint("write source: deterministic beside it"))
	case seed != nil && r.Source == KernelSeeded:
		s.fail(start(seed), failf("source kernel-seeded takes no seed").hint("a seed is for source: deterministic"))
	case from != nil && r.Source == Deterministic && seed == nil:
		s.fail(start(from), noSeed())
	}
	if from != nil {
		p.rng = &r
	}
}

// oneOf reads one of a list of words and returns its index, -1 where it is none.
func (s *source) oneOf(v ast.Node, what string, words []string, allowed string) int {
	word, ok := s.word(v)
	if !ok {
		s.fail(start(v), failf("expected a %s, not %s", what, describe(v)).hint("%s", allowed))
		return -1
	}
	for i, w := range words {
		if w == word {
			return i
		}
	}
	e := failf("unknown %s %s", what, s.show(v)).wrap(ErrUnknown).hint("%s", allowed)
	if near := nearest(word, words); near != "" {
		_ = e.hint("did you mean %s? %s", near, allowed)
	}
	s.fail(start(v), e)
	return -1
}

// seed reads a seed: a number, in decimal, or a text. A text that reads as a
// number would look like a seed that it is not, so there is none.
func (s *source) seed(v ast.Node) string {
	word, _ := s.word(v)
	n, number := parseUint(word)
	switch v.(type) {
	case *ast.IntegerNode:
		if !number {
			s.fail(start(v), failf("the seed %s is out of range, or written in a way that policies don't know", s.show(v)).hint("%s; %s", seedAllowed, numberHint(word)))
		}
		return strconv.FormatUint(n, 10)
	case *ast.StringNode:
		t := v.GetToken()
		digits := strings.Trim(strings.TrimLeft(word, "+-"), "0123456789") == ""
		quoted := t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType
		switch {
		case word == "":
			s.fail(t, failf("the seed is empty").hint(seedAllowed))
		case len(word) > maxSeed:
			s.fail(t, longSeed())
		case digits && !quoted:
			s.fail(t, failf("the seed %s is out of range", s.show(v)).hint(seedAllowed))
		case digits || number:
			s.fail(t, failf("the seed %s is a text that reads as a number", s.show(v)).hint(seedOfNumber))
		}
		return word
	}
	s.fail(start(v), failf("the seed is a number or a text of one line, not %s", s.show(v)).hint(seedAllowed))
	return ""
}
