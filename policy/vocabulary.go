package policy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// This file reads the words for actions and mechanisms, and knows what people
// write who come from other policy languages.

const (
	doAllowed = "allowed: shim, {go: NAME}, {return: VALUE}, {errno: NAME}, passthrough, stub, allow, deny, kill, audit"
)

// actionWords are the actions without a value, in the order of the manual.
var actionWords = []string{"shim", "passthrough", "stub", "allow", "deny", "kill", "audit"}

// valueWords are the actions with one.
var valueWords = []string{"go", "return", "errno"}

var mechanismAllowed = "allowed: " + strings.Join(Mechanisms(), ", ")

// laterActions are words of the language that no code stands behind yet.
var laterActions = []string{"rewrite"}

func otherTopKeys(key string) string {
	switch strings.ToLower(key) {
	case "defaultaction", "default_action":
		return "did you mean default?"
	case "syscalls", "names":
		return "did you mean rules?"
	case "architectures", "archmap", "arch":
		return "rules are about x86-64; the key foreign is for other architectures"
	case "calls", "do", "when", "mechanism", "base", "except":
		return "this is a key of a rule, which is an element of the list rules"
	case "seed", "source", "block", "cpus", "random":
		return "did you mean rng? " + rngExample
	case "others":
		return "did you mean sud? " + sudExample
	}
	return ""
}

func otherRuleKeys(key string) string {
	switch strings.ToLower(key) {
	case "names", "name", "syscall", "syscalls":
		return "did you mean calls?"
	case "action":
		return "did you mean do?"
	case "args", "arg", "arguments", "if":
		return "did you mean when? " + expressionForms
	case "errnoret", "errno":
		return "did you mean do: {errno: NAME}?"
	case "go", "return":
		return "did you mean do: {" + key + ": …}?"
	case "shim", "passthrough", "stub", "allow", "deny", "kill", "audit":
		return "did you mean do: " + key + "?"
	case "version", "description", "default", "strict", "foreign", "rng", "sud", "rules":
		return "this is a key of the file, not of a rule"
	}
	return ""
}

// otherActions says what an action of another language is called here.
var otherActions = []struct{ word, here string }{
	{"scmp_act_allow", "allow"}, {"scmp_act_errno", "{errno: EPERM}"}, {"scmp_act_kill", "kill"},
	{"scmp_act_kill_process", "kill"}, {"scmp_act_kill_thread", "kill"}, {"scmp_act_log", "audit"},
	{"scmp_act_notify", "{go: NAME}"}, {"seccomp_ret_kill_process", "kill"}, {"seccomp_ret_log", "audit"},
	{"seccomp_ret_allow", "allow"}, {"block", "deny"}, {"refuse", "deny"}, {"eperm", "deny, or {errno: EPERM}"},
	{"log", "audit"}, {"notify", "{go: NAME}, or the key mechanism"}, {"vdso", "shim, or the key mechanism"}, {"fail", "{errno: NAME}"}, {"none", "allow"}, {"native", "allow"},
	{"rng", "shim, and the key rng of the file"}, {"kernel", "allow"}, {"pass", "allow"}, {"handler", "{go: NAME}"},
}

// action reads do and default.
func (s *source) action(n ast.Node, isDefault bool) (Action, bool) {
	allowed := doAllowed
	if isDefault {
		allowed = "allowed: " + defaultAllowed
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		if len(n.Values) == 1 {
			return s.valueAction(n.Values[0], allowed)
		}
		if len(n.Values) == 0 {
			s.fail(start(n), failf("an action is missing here").hint("%s", allowed))
		} else {
			s.fail(n.Values[1].Key.GetToken(), failf("there can be one action only").hint("%s", allowed))
		}
		return Action{}, false
	}
	word, ok := s.word(n)
	if !ok {
		s.fail(start(n), failf("expected an action, not %s", describe(n)).hint("%s", allowed))
		return Action{}, false
	}
	for k, w := range kindWords {
		if w == word && slices.Contains(actionWords, w) {
			return Action{Kind: Kind(k)}, true
		}
	}
	s.fail(start(n), wrongAction(word, allowed))
	return Action{}, false
}

func wrongAction(word, allowed string) *Error {
	low := strings.ToLower(word)
	switch {
	case slices.Contains(valueWords, word):
		example := map[string]string{"go": "{go: NAME}", "return": "{return: 0}", "errno": "{errno: ENOSYS}"}[word]
		return failf("%s needs a value", word).hint("write %s", example)
	case slices.Contains(laterActions, low):
		return failf("the action %s is not available in this version", low).wrap(ErrUnavailable).hint("%s", allowed)
	}
	e := failf("unknown action %q", word).wrap(ErrUnknown)
	if _, ok := errnoByName(strings.ToUpper(word)); ok {
		return e.hint("did you mean {errno: %s}?", strings.ToUpper(word))
	}
	for _, o := range otherActions {
		if o.word == low {
			return e.hint("did you mean %s? %s", o.here, allowed)
		}
	}
	if near := nearest(word, append(slices.Clone(actionWords), valueWords...)); near != "" {
		return e.hint("did you mean %s? %s", near, allowed)
	}
	return e.hint("%s", allowed)
}

// valueAction reads {errno: …}, {return: …} and {go: …}.
func (s *source) valueAction(kv *ast.MappingValueNode, allowed string) (Action, bool) {
	key, _ := s.word(kv.Key.(ast.Node))
	at := kv.Value.GetToken()
	word, scalar := s.word(kv.Value)
	if slices.Contains(valueWords, key) && !scalar {
		if _, null := kv.Value.(*ast.NullNode); null {
			s.fail(kv.Key.GetToken(), wrongAction(key, allowed))
		} else {
			s.fail(at, failf("the value of %s is a word or a number, not %s", key, describe(kv.Value)))
		}
		return Action{}, false
	}
	switch key {
	case "go":
		a := Action{Kind: Go, Handler: word}
		if e := checkAction(a); e != nil {
			s.fail(at, e)
			return Action{}, false
		}
		return a, true
	case "return":
		v, ok := parseInt(word)
		if !ok {
			s.fail(at, failf("the value of return is a number of at most 64 bits, not %s", s.show(kv.Value)).hint("%s", numberHint(word)))
			return Action{}, false
		}
		return Action{Kind: Return, Value: v}, true
	case "errno":
		e, err := parseErrno(word)
		if err != nil {
			s.fail(at, err)
			return Action{}, false
		}
		return Action{Kind: Errno, Errno: e}, true
	}
	if slices.Contains(actionWords, key) {
		s.fail(kv.Key.GetToken(), failf("%s takes no value", key).hint("write %s alone, without braces or colon", key))
		return Action{}, false
	}
	s.fail(kv.Key.GetToken(), wrongAction(key, allowed))
	return Action{}, false
}

func parseErrno(word string) (int, *Error) {
	if e, ok := errnoByName(word); ok {
		return e, nil
	}
	if v, ok := parseInt(word); ok {
		if v < 1 || v > maxErrno {
			e := failf("errno %s is out of range", word)
			if v < 0 && v >= -maxErrno {
				return 0, e.hint("the kernel negates it: write %d", -v)
			}
			if v == 0 {
				return 0, e.hint("0 is success: {return: 0}")
			}
			return 0, e.hint("allowed: a name such as EPERM, or 1 to %d", maxErrno)
		}
		return int(v), nil
	}
	e := failf("unknown errno %q", word).wrap(ErrUnknown)
	if near := nearest(word, errnoNames()); near != "" {
		return 0, e.hint("did you mean %s?", near)
	}
	return 0, e.hint("a name such as EPERM or ENOSYS, or a number from 1 to %d", maxErrno)
}

// mechanism reads the key mechanism.
func (s *source) mechanism(n ast.Node) (Mechanism, bool) {
	word, ok := s.word(n)
	if !ok {
		s.fail(start(n), failf("expected a mechanism, not %s", describe(n)).hint("%s", mechanismAllowed))
		return Auto, false
	}
	m, err := parseMechanism(word)
	if err != nil {
		s.fail(start(n), err)
		return Auto, false
	}
	return m, true
}

// base reads the key base.
func (s *source) base(n ast.Node) Mechanism {
	switch word, _ := s.word(n); word {
	case "notify":
		return Auto
	case "trap":
		return Trap
	default:
		s.fail(start(n), failf("the base of patched sites is a mechanism, not %s", s.show(n)).hint("allowed: notify, trap"))
	}
	return Auto
}

// ParseMechanism returns the mechanism of that name.
func ParseMechanism(word string) (Mechanism, error) {
	m, err := parseMechanism(word)
	if err != nil {
		return Auto, err
	}
	return m, nil
}

func parseMechanism(word string) (Mechanism, *Error) {
	for m, w := range mechanismWords {
		if w == word {
			return Mechanism(m), nil
		}
	}
	e := failf("unknown mechanism %s", strconv.Quote(word)).wrap(ErrUnknown)
	switch strings.ToLower(word) {
	case "seccomp", "sigsys":
		return Auto, e.hint("did you mean trap? %s", mechanismAllowed)
	case "preload", "ld_preload":
		return Auto, e.hint("a preloaded library is what reflect bench compares with, not a mechanism; %s", mechanismAllowed)
	}
	if near := nearest(word, mechanismWords[:]); near != "" {
		return Auto, e.hint("did you mean %s? %s", near, mechanismAllowed)
	}
	return Auto, e.hint("%s", mechanismAllowed)
}
