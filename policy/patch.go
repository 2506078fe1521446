package policy

import (
	"fmt"
	"slices"
)

// A PatchKind is what the shim does with a call that comes from a patched site.
type PatchKind uint8

const (
	// PatchShim serves it by the image's own implementation.
	PatchShim PatchKind = iota
	// PatchConstant answers PatchedCall.Value.
	PatchConstant
	// PatchPass makes the system call, from a stub beside the image.
	PatchPass
)

// String returns a word for k.
func (k PatchKind) String() string {
	switch k {
	case PatchShim:
		return "shim"
	case PatchConstant:
		return "constant"
	case PatchPass:
		return "pass"
	}
	return "patch(?)"
}

// A PatchedCall is a call whose sites may be patched, and what the shim does
// with it there. All other calls that reach a patched site are to be made as if
// it were not patched.
type PatchedCall struct {
	Nr   int
	Kind PatchKind
	// Value is what a constant puts into rax: -4095 to -1 for an error.
	Value int64
}

// NeverPatched are the calls that can't be made, or answered, anywhere but at
// the program's own instruction, and those that must not return. What passes every call through leaves them out.
var NeverPatched = []string{
	"clone", "clone3", "execve", "execveat", "exit", "exit_group", "fork", "restart_syscall", "rt_sigreturn", "uprobe", "uretprobe", "vfork",
}

func neverPatched(nr int) bool {
	name, ok := Name(nr)
	return ok && slices.Contains(NeverPatched, name)
}

// PatchNumbers is how many numbers the image's table has room for, from 0 on. Kernels
// have fewer calls.
const PatchNumbers = 480

// patchEntries are the calls of which the image serves patched sites: the entry
// must keep every register and use no stack of the program's. The vDSO's other functions
// need a stack, and fault where the call gives EFAULT: the kernel makes these calls.
var patchEntries = [...]string{"getrandom"}

// Patched returns the calls whose sites may be patched, by ascending number. The
// filter notifies each of them where it comes from another site.
func (p *Plan) Patched() []PatchedCall {
	var out []PatchedCall
	for i := range p.Rules {
		if i > 0 && p.Rules[i-1].Nr == p.Rules[i].Nr {
			continue
		}
		if c, ok := p.PatchedCall(p.Rules[i].Nr); ok {
			out = append(out, c)
		}
	}
	return out
}

// PatchedCall returns what the shim does with calls of number nr at patched
// sites, and false where these are not to be patched: one rule must decide all
// of them, since nothing in the program tests arguments.
func (p *Plan) PatchedCall(nr int) (PatchedCall, bool) {
	rules := p.For(nr)
	if len(rules) == 0 || len(rules[0].Conds) > 0 {
		return PatchedCall{}, false
	}
	r := &rules[0]
	if !r.wantsPatch() || neverPatched(nr) || nr >= PatchNumbers {
		return PatchedCall{}, false
	}
	c := PatchedCall{Nr: nr}
	switch r.Action.Kind {
	case Shim:
		if !slices.Contains(patchEntries[:], r.Name) {
			c.Kind = PatchPass
			// Runs of one seed have one layout, by all mechanisms, and stubs are mapped.
			return c, p.RNG.Source != Deterministic
		}
	case Return:
		c.Kind, c.Value = PatchConstant, r.Action.Value
	case Errno:
		c.Kind, c.Value = PatchConstant, -int64(r.Action.Errno)
	default:
		c.Kind = PatchPass
	}
	return c, true
}

// wantsPatch reports whether r's mechanism is to patch the sites of its call,
// if that can be done. Under auto, what the filter answers by itself stays with
// the filter: it costs less than learning of a site, and no site has to change.
func (r *Rule) wantsPatch() bool {
	if r.Implicit || r.Mechanism != Auto && r.Mechanism != Patch {
		return false
	}
	switch r.Action.Kind {
	case Shim, Passthrough:
		return true
	case Return, Errno:
		return r.Mechanism == Patch || r.InSupervisor || !r.Action.ByFilter()
	}
	return false
}

// unpatched says, in words, why sites are not patched that a reader may expect to
// be, or "".
func (p *Plan) unpatched(r *Rule) string {
	asked := r.Action.Kind == Passthrough || r.OwnMechanism || r.wantsPatch()
	constant := r.Action.Kind == Return || r.Action.Kind == Errno
	switch {
	case p.tested(r.Nr):
		if asked && r.Mechanism == Auto && (constant || r.Action.Kind == Passthrough) {
			return "arguments are tested, which only a filter can"
		}
	case constant && asked && r.Mechanism == Auto && neverPatched(r.Nr):
		return "this call is never moved"
	case r.wantsPatch() && r.Nr >= PatchNumbers:
		return fmt.Sprintf("the image has room for numbers up to %d", PatchNumbers-1)
	case r.Action.Kind == Shim && r.Mechanism == Patch && p.RNG.Source == Deterministic:
		return "runs of one seed have one layout, by all mechanisms"
	}
	return ""
}
