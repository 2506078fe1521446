package policy

import (
	"fmt"
	"strings"
)

var mechanismWords = [mechanisms]string{
	Auto: "auto", VDSO: "vdso", Notify: "notify", Patch: "patch",
	Trap: "trap", SUD: "sud", Ptrace: "ptrace", PtraceAll: "ptrace-all",
}

// Mechanisms returns the words for mechanisms, in the order of the manual.
func Mechanisms() []string {
	return []string{"auto", "vdso", "patch", "notify", "trap", "sud", "ptrace", "ptrace-all"}
}

// String returns the word that a policy uses for m.
func (m Mechanism) String() string {
	if int(m) < len(mechanismWords) {
		return mechanismWords[m]
	}
	return fmt.Sprintf("mechanism(%d)", uint8(m))
}

// by returns the words for r's mechanism and base.
func (r *Rule) by() string {
	if r.Mechanism == Patch && r.Base == Trap {
		return "patch over trap"
	}
	return r.Mechanism.String()
}

var kindWords = [...]string{
	Allow: "allow", Shim: "shim", Go: "go", Return: "return", Errno: "errno",
	Stub: "stub", Deny: "deny", Kill: "kill", Audit: "audit", Passthrough: "passthrough",
}

// String returns the word that a policy uses for k.
func (k Kind) String() string {
	if int(k) < len(kindWords) {
		return kindWords[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// String returns a as a policy writes it, such as "shim" or "errno ENOSYS".
func (a Action) String() string {
	switch a.Kind {
	case Go:
		return "go " + a.Handler
	case Return:
		return fmt.Sprintf("return %d", a.Value)
	case Errno:
		return "errno " + errnoLabel(a.Errno)
	}
	return a.Kind.String()
}

var opWords = [...]string{Equal: "==", NotEqual: "!=", Less: "<", LessEqual: "<=", Greater: ">", GreaterEqual: ">="}

// String returns c as a policy writes it, such as "arg2 & 0x4 == 0x4".
func (c Cond) String() string {
	if c.Op == MaskEqual && c.Mask == 0xffffffff && c.Value <= c.Mask {
		return fmt.Sprintf("int(arg%d) == %s", c.Arg, number(c.Value))
	}
	if c.Op == MaskEqual {
		return fmt.Sprintf("arg%d & %#x == %#x", c.Arg, c.Mask, c.Value)
	}
	if int(c.Op) >= len(opWords) {
		return fmt.Sprintf("arg%d op(%d) %d", c.Arg, uint8(c.Op), c.Value)
	}
	return fmt.Sprintf("arg%d %s %s", c.Arg, opWords[c.Op], number(c.Value))
}

// number prints small values in decimal and large ones, which are addresses,
// flags or negative, in hexadecimal.
func number(v uint64) string {
	if v < 4096 {
		return fmt.Sprintf("%d", v)
	}
	return fmt.Sprintf("%#x", v)
}

// String returns the place as file:line:column, leaving out what is not known.
func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// String returns the plan's rules, one in a line, for tests and debugging;
// Explain is for people.
func (p *Plan) String() string {
	var b strings.Builder
	for i := range p.Rules {
		r := &p.Rules[i]
		fmt.Fprintf(&b, "%d %s [%s] %v %v\n", r.Nr, r.Name, when(r.Conds), r.by(), r.Action)
	}
	fmt.Fprintf(&b, "default %v, strict %v, foreign %v, rng %v, others %v\n", p.Default, p.Strict, p.ForeignAllow, p.RNG, p.Others)
	return b.String()
}
