package workload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sysreflect/sysreflect/experiment/results"
	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/supervisor/probe"
)

// The ways that are no mechanisms.
const (
	Native = "native"
	Again  = "native-again" // the same once more: what differs is noise
	None   = "none"         // under reflect run, without a rule
)

// A Way is how a program is run.
type Way struct {
	Name  string
	flags []string // of reflect run; nil natively
}

// Reflected reports whether it is run by reflect.
func (w *Way) Reflected() bool { return w.flags != nil }

// command returns what runs args this way. more are further flags.
func (w *Way) command(self string, args []string, more ...string) []string {
	if !w.Reflected() {
		return args
	}
	return slices.Concat([]string{self, "run"}, w.flags, more, []string{"--"}, args)
}

// A Choice is what is to be compared.
type Choice struct {
	Policies   []string // as -p; none means the default
	Mechanisms []string // as -m; none means all that can be used here
}

// all are the mechanisms that are compared where nobody says which. Auto is
// patch, but for constants that a filter can answer.
func all() []string {
	return slices.DeleteFunc(policy.Mechanisms(), func(m string) bool { return m == "auto" })
}

// Ways returns the ways to run a program, the native ones first and last, and
// which were left out. A mechanism that was asked for and can't be used is an
// error.
func (c *Choice) Ways(ctx context.Context) ([]Way, []results.LeftOut, error) {
	var left []results.LeftOut
	ways := []Way{{Name: Native}}
	words, chosen := c.Mechanisms, true
	if len(words) == 0 {
		words, chosen = append([]string{None}, all()...), false
	}
	plan, err := policy.Load(c.Policies...)
	if err != nil {
		return nil, nil, err
	}
	report := probe.Run(ctx)
	for _, m := range words {
		if slices.ContainsFunc(ways, func(w Way) bool { return w.Name == m }) {
			continue
		}
		w, err := c.way(plan, &report, m)
		switch {
		case err == nil:
			ways = append(ways, w)
		case chosen:
			return nil, nil, err
		default:
			left = append(left, results.LeftOut{Way: m, Why: why(m, err)})
		}
	}
	return append(ways, Way{Name: Again}), left, nil
}

// why says in short why a mechanism is left out: of a policy that it can't carry out,
// what the first rule lacks.
func why(mechanism string, err error) string {
	var rules policy.Errors
	if errors.As(err, &rules) && len(rules) > 0 {
		return rules[0].Msg
	}
	return strings.TrimPrefix(err.Error(), mechanism+" can't be used here: ")
}

func (c *Choice) way(plan *policy.Plan, report *probe.Report, word string) (Way, error) {
	if word == None {
		return Way{None, []string{"-p", "none"}}, nil
	}
	m, err := policy.ParseMechanism(word)
	if err != nil {
		return Way{}, err
	}
	if p, ok := report.Mechanism(word); ok && !p.Usable {
		return Way{}, fmt.Errorf("%s can't be used here: %s", word, p.Why)
	}
	if _, err := plan.WithMechanism(m); err != nil {
		return Way{}, err
	}
	w := Way{Name: word}
	for _, p := range c.Policies {
		w.flags = append(w.flags, "-p", p)
	}
	w.flags = append(w.flags, "-m", word)
	return w, nil
}
