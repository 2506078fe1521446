package policy

import (
	"fmt"
	"slices"
	"strings"
)

// ExemptCalls are the calls that no default reaches and that nothing can
// answer: a program that is refused one of them can't end, or goes on with the
// wrong registers.
var ExemptCalls = []string{"exit", "exit_group", "rt_sigreturn", "restart_syscall"}

// limits say what can't be done to a call, and why. They are forced by the
// kernel or by the handoff, not by taste.
var limits = [...]struct {
	calls []string
	kinds []Kind
	why   string
}{
	{
		[]string{"exit", "exit_group"},
		[]Kind{Go, Return, Errno, Deny, Kill},
		"the caller is ending and takes no answer: C libraries repeat the call for ever, and a launch that fails ends by it",
	},
	{
		[]string{"rt_sigreturn"},
		[]Kind{Go, Return, Errno, Deny},
		"it restores the registers that a signal saved, so an answer would land in the interrupted code",
	},
	{
		[]string{"restart_syscall"},
		[]Kind{Go, Return, Errno, Deny},
		"the kernel makes it, after a stop, to go on sleeping in a call that it had already let through",
	},
	{
		[]string{"clone", "clone3", "fork", "vfork"},
		[]Kind{Passthrough},
		"the child begins where the call was made, so it is made where the program makes it",
	},
	{
		[]string{"exit", "exit_group"},
		[]Kind{Passthrough},
		"a signal can have a notified call return EINTR, and nothing survives the return of these",
	},
	{
		[]string{"rt_sigreturn"},
		[]Kind{Passthrough},
		"debuggers and unwinders know a signal's frame by the instructions that make this call",
	},
	{
		[]string{"restart_syscall"},
		[]Kind{Passthrough},
		"the kernel makes it where the call was made that it goes on with",
	},
	{
		[]string{"uprobe", "uretprobe"},
		[]Kind{Passthrough},
		"the kernel takes it from the trampoline of its probes only, and no filter sees it",
	},
	{
		[]string{"execve", "execveat"},
		[]Kind{Passthrough},
		"every exec is the supervisor's own, which hands the program over to the shim there and then lets it through",
	},
	{
		[]string{"clone", "clone3", "fork", "vfork"},
		[]Kind{Go},
		"only the kernel can make a child of the caller",
	},
	{
		[]string{"clone", "clone3", "fork", "vfork"},
		[]Kind{Return},
		"0 would tell the caller that it is the child, any other value that a child exists",
	},
	{
		[]string{"execve", "execveat"},
		[]Kind{Go},
		"every exec is the supervisor's own: there it hands the program over to the shim",
	},
	{
		[]string{"execve", "execveat"},
		[]Kind{Audit},
		"every exec is notified, and the kernel logs no call that is",
	},
	{
		HandoffCalls,
		[]Kind{Kill},
		"the supervisor makes this call inside the program at each exec, and a filter that kills knows no exception",
	},
}

// impossible returns why a call can't meet k, or "".
func impossible(nr int, k Kind) string {
	name, ok := Name(nr)
	if !ok {
		return ""
	}
	for i := range limits {
		if slices.Contains(limits[i].calls, name) && slices.Contains(limits[i].kinds, k) {
			return limits[i].why
		}
	}
	return ""
}

func isHandoff(nr int) bool {
	name, ok := Name(nr)
	return ok && slices.Contains(HandoffCalls, name)
}

// checkAction checks what is true of an action whatever the call.
func checkAction(a Action) *Error {
	switch a.Kind {
	case Go:
		if a.Handler == "" {
			return failf("go needs the name of a handler").hint("for example {go: getrandom}")
		}
		if len(a.Handler) > 64 {
			return failf("the name of a handler has at most 64 letters")
		}
		for _, r := range a.Handler {
			if r <= ' ' || r > '~' {
				return failf("the name of a handler holds letters, digits and signs, not %q", r)
			}
		}
	case Errno:
		if a.Errno < 1 || a.Errno > maxErrno {
			return failf("errno %d is out of range", a.Errno).hint("allowed: a name such as EPERM, or 1 to %d", maxErrno)
		}
	case Allow, Shim, Return, Stub, Deny, Kill, Audit, Passthrough:
	default:
		return failf("unknown action %d", a.Kind).wrap(ErrUnknown)
	}
	return nil
}

// checkDefault checks the answer for calls that no rule names.
func checkDefault(a Action) *Error {
	switch a.Kind {
	case Allow, Deny, Errno, Kill, Audit:
		return checkAction(a)
	case Return:
		return failf("the default can't be %v: calls that nobody has thought of would seem to succeed", a.Kind).hint("allowed: %s", defaultAllowed)
	}
	e := failf("the default can't be %v", a.Kind)
	if a.Kind == Passthrough {
		return e.hint("allowed: %s; a rule for the calls of \"@all\" passes all of them through", defaultAllowed)
	}
	return e.hint("allowed: %s", defaultAllowed)
}

const defaultAllowed = "allow, deny, kill, audit, {errno: NAME}"

// checkMechanism checks an action against the mechanism that its rule names,
// whatever the call.
func checkMechanism(m Mechanism, a Action, conds []Cond) *Error {
	switch m {
	case Auto:
	case VDSO:
		if a.Kind != Shim && a.Kind != Stub {
			return failf("mechanism vdso can't serve %v", a).
				hint("vdso replaces vDSO functions only: do shim or stub; for %v use auto or leave the mechanism out", a.Kind)
		}
		if len(conds) > 0 {
			return failf("mechanism vdso can't test arguments").
				hint("conditions are the filter's, and a vDSO function is called without one: use notify or auto")
		}
	case Notify, Patch, Trap, SUD, Ptrace, PtraceAll:
		switch a.Kind {
		case Allow, Deny, Kill, Audit:
			return failf("mechanism %v has no meaning for %v", m, a).hint("the kernel or the filter does it alone: leave the mechanism out")
		case Stub:
			return failf("mechanism %v has no meaning for stub", m).hint("stub makes the real call and leaves it to the kernel; to have it served, do shim by %v", m)
		}
		if m == Notify || m == Ptrace || m == PtraceAll {
			break
		}
		if a.Kind == Go {
			why := "patched sites lead into the shim"
			if m != Patch {
				why = "its signal handler is in the shim"
			}
			return failf("mechanism %v can't serve %v", m, a).
				hint("%s, and the handler is in the supervisor: use notify, ptrace or auto", why)
		}
		if len(conds) > 0 && m == Patch {
			return failf("mechanism patch can't test arguments").
				hint("conditions are the filter's, and a patched site makes no system call: use notify, trap or auto")
		}
		if len(conds) > 0 && m == SUD {
			return failf("mechanism sud can't test arguments").
				hint("the kernel looks at the selector and the address only: use trap, which a filter asks for, or notify")
		}
	default:
		return failf("unknown mechanism %d", m).wrap(ErrUnknown)
	}
	if a.Kind == Stub && len(conds) > 0 {
		return failf("stub can't test arguments").hint("a vDSO function is a stub for all of its calls or for none")
	}
	return nil
}

// refuses returns why a call can't meet an action, as the rest of a sentence
// that begins with the call's name, and a hint; or "".
func refuses(nr int, a Action, bySet bool) (why, hint string) {
	if (a.Kind == Shim || a.Kind == Stub) && !inVDSO(nr) {
		return fmt.Sprintf("can't be served by %v: no vDSO has a function for that", a.Kind),
			fmt.Sprintf("%v serves the calls of \"@vdso\" (%s); others are served by go, return or errno", a.Kind, strings.Join(vdsoCalls[:], ", "))
	}
	why = impossible(nr, a.Kind)
	if why == "" {
		return "", ""
	}
	switch {
	case a.Kind == Kill && isHandoff(nr):
		hint = "deny refuses it with EPERM instead"
	case a.Kind == Passthrough:
		hint = "allow leaves it to the kernel"
		if bySet {
			hint = "the set \"@all\" is without it"
		}
	}
	if bySet {
		if hint != "" {
			hint += "; "
		}
		hint += "a rule can leave calls of a set out by the key except"
	}
	return fmt.Sprintf("can't be met with %v: %s", a.Kind, why), hint
}
