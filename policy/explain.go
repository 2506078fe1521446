package policy

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// An Explanation is what one rule of a plan does and why, in words.
type Explanation struct {
	Call      string // the call's name
	Nr        int
	When      string // conditions, "" for always
	Meets     string // the action
	Mechanism string // "" where it means nothing
	VDSO      string // what the vDSO function does, "" where the call has none
	By        string // who answers the system call
	Why       string // the rule's place, or the default
}

// Explain says what the given calls meet, or, without any, the calls that the
// plan has rules for.
func (p *Plan) Explain(nrs ...int) []Explanation {
	if len(nrs) == 0 {
		for i := range p.Rules {
			nrs = append(nrs, p.Rules[i].Nr)
		}
		nrs = slices.Compact(nrs)
		slices.SortStableFunc(nrs, func(a, b int) int { return strings.Compare(label(a), label(b)) })
	}
	var out []Explanation
	for _, nr := range nrs {
		decided := false
		rules := p.For(nr)
		for i := range rules {
			out = append(out, p.explainRule(&rules[i]))
			decided = len(rules[i].Conds) == 0
		}
		if !decided {
			x := Explanation{
				Call: label(nr), Nr: nr, Meets: p.Default.String(), By: p.answeredBy(p.Default, nil), VDSO: p.vdsoNote(nr),
				Why: p.whyDefault(),
			}
			if len(rules) > 0 {
				x.When = "otherwise"
			}
			out = append(out, x)
		}
	}
	return out
}

func (p *Plan) explainRule(r *Rule) Explanation {
	x := Explanation{
		Call: r.Name, Nr: r.Nr, When: when(r.Conds), Meets: r.Action.String(), VDSO: p.vdsoNote(r.Nr),
		By: p.answeredBy(r.Action, r), Why: r.Pos.String(),
	}
	switch r.Action.Kind {
	case Shim:
		x.Mechanism = r.by()
		if p.RNG.Source == Deterministic && r.Name == "getrandom" {
			x.Why += "; by notify, since one place makes all deterministic bytes"
		} else if r.Mechanism == Notify && !r.OwnMechanism && p.tested(r.Nr) {
			x.Why += "; by notify, since arguments are tested, which only a filter can"
		}
	case Go, Return, Errno, Passthrough:
		x.Mechanism = r.by()
	}
	if x.Why == "" {
		x.Why = "a rule built in Go"
	}
	if why := p.unpatched(r); why != "" {
		x.Why += "; sites are not patched: " + why
	}
	if r.InSupervisor {
		x.Why += "; in the supervisor, since the handoff makes this call too"
	}
	if r.Implicit {
		x.Why = p.whyImplicit(r)
	}
	return x
}

// tested reports whether a rule of nr has conditions.
func (p *Plan) tested(nr int) bool {
	return slices.ContainsFunc(p.For(nr), func(r Rule) bool { return len(r.Conds) > 0 })
}

func when(conds []Cond) string {
	words := make([]string, len(conds))
	for i, c := range conds {
		words[i] = c.String()
	}
	return strings.Join(words, ", ")
}

// answeredBy says who answers a system call that meets a, which is what rule r,
// or the default, says.
func (p *Plan) answeredBy(a Action, r *Rule) string {
	if r != nil && r.Reflects() {
		switch m := r.Mechanism; {
		case (m == Trap || m == SUD) && a.Kind == Passthrough:
			return "kernel, via a signal handler in the shim"
		case m == Trap || m == SUD:
			return "signal handler in the shim"
		case (m == Ptrace || m == PtraceAll) && a.Kind == Passthrough:
			return "kernel, via a tracer's stop"
		case m == Ptrace || m == PtraceAll:
			return "supervisor, as tracer"
		}
	}
	if r != nil {
		switch c, ok := p.PatchedCall(r.Nr); {
		case !ok:
		case c.Kind == PatchPass && a.Kind == Shim && r.Base == Trap:
			return "kernel, via the shim where patched, else a signal handler there"
		case r.Base == Trap:
			return "shim where patched, else a signal handler there"
		case c.Kind == PatchPass && a.Kind == Shim:
			return "kernel, via the shim where patched, else supervisor"
		case c.Kind == PatchPass:
			return "kernel, via the shim where patched, else via the supervisor"
		default:
			return "shim where patched, else supervisor"
		}
	}
	switch a.Kind {
	case Allow, Stub:
		return "kernel"
	case Audit:
		return "kernel, logged"
	case Go:
		return "supervisor"
	case Shim:
		if r.Mechanism == VDSO {
			return "kernel"
		}
		return "supervisor"
	case Passthrough:
		return "kernel, via the supervisor"
	}
	if r != nil && r.InSupervisor || a.Kind == Return && !a.ByFilter() {
		return "supervisor"
	}
	if a.Kind == Deny || a.Kind == Kill {
		return "filter, without exception"
	}
	return "filter"
}

// ByFilter reports whether a filter can give the answer by itself. It can
// return an error or 0 (SECCOMP_RET_ERRNO), and no other value.
func (a Action) ByFilter() bool {
	switch a.Kind {
	case Errno, Deny, Kill, Audit, Allow, Stub:
		return true
	case Return:
		return a.Value <= 0 && a.Value >= -maxErrno
	}
	return false
}

func (p *Plan) vdsoNote(nr int) string {
	if !inVDSO(nr) {
		return ""
	}
	switch p.Binding(label(nr)) {
	case BindShim:
		return "shim"
	case BindStub:
		return "makes the call"
	}
	return "kernel's own"
}

func (p *Plan) whyDefault() string {
	if s := p.DefaultPos.String(); s != "" {
		return "default, " + s
	}
	return "default"
}

func (p *Plan) whyImplicit(r *Rule) string {
	why := p.whyDefault()
	switch {
	case slices.Contains(ExemptCalls, r.Name):
		return why + ": exempt, since nothing can answer this call"
	case p.Default.Kind == Kill:
		return why + ": refused, since the handoff makes this call and a filter that kills would kill it"
	case p.Default.Kind == Audit:
		return why + ": not logged, since every exec is notified"
	}
	return why + "; in the supervisor, since the handoff makes this call too"
}

// Explain writes what a plan does to the calls that words name (names,
// numbers, sets), or to all that it has rules for, as a table.
func Explain(w io.Writer, p *Plan, words ...string) error {
	var nrs []int
	for _, word := range words {
		n, err := Calls(word)
		if err != nil {
			return err
		}
		nrs = append(nrs, n...)
	}
	xs := p.Explain(nrs...)
	buf := bufio.NewWriter(w)
	tw := tabwriter.NewWriter(buf, 0, 0, 2, ' ', 0)
	if len(xs) > 0 {
		fmt.Fprintln(tw, "CALL\tWHEN\tMEETS\tMECHANISM\tVDSO FUNCTION\tSYSTEM CALL\tWHY")
	}
	dash := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	for _, x := range xs {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.Call, dash(x.When), x.Meets, dash(x.Mechanism), dash(x.VDSO), x.By, x.Why)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if len(words) == 0 {
		if len(xs) > 0 {
			fmt.Fprintln(buf)
		}
		p.explainRest(buf)
	}
	return buf.Flush()
}

// explainRest writes what holds for all calls.
func (p *Plan) explainRest(w io.Writer) {
	switch p.Default.Kind {
	case Allow:
		if by := p.otherCalls(); by != "" {
			fmt.Fprintf(w, "other calls: the kernel's own, %s\n", by)
			break
		}
		fmt.Fprintf(w, "other calls: the kernel's own, but for the price of a filter\n")
	default:
		fmt.Fprintf(w, "other calls: %v (%s)\n", p.Default, p.whyDefault())
	}
	fmt.Fprintf(w, "exec: notified, and each program is handed over to the shim")
	if p.Strict {
		fmt.Fprintf(w, "; one that can't be is refused with EACCES (strict)")
	} else {
		fmt.Fprintf(w, "; one that can't be runs unreflected, counted and warned of")
	}
	fmt.Fprintln(w)
	if p.RefusesForeign() {
		fmt.Fprintf(w, "32-bit and x32 calls: refused with ENOSYS, since some calls are denied\n")
	} else {
		fmt.Fprintf(w, "32-bit and x32 calls: the kernel's own\n")
	}
	if p.RNG != (RNG{}) {
		fmt.Fprintf(w, "random bytes: %v", p.RNG)
		if s := p.RNG.Pos.String(); s != "" {
			fmt.Fprintf(w, " (%s)", s)
		}
		fmt.Fprintln(w)
	}
	for _, warning := range p.Warnings {
		fmt.Fprintf(w, "warning: %v\n", warning)
	}
}
