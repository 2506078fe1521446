package policy

import "slices"

// A Binding says what becomes of one vDSO function under a plan.
type Binding uint8

const (
	// BindForward leaves the function to the kernel's own vDSO.
	BindForward Binding = iota
	// BindShim puts the shim's own function there.
	BindShim
	// BindStub makes the function perform the real system call, from an
	// address that the filter does not exempt, so that the call's rules decide.
	BindStub
)

// String returns a word for b.
func (b Binding) String() string {
	switch b {
	case BindForward:
		return "forward"
	case BindShim:
		return "shim"
	case BindStub:
		return "stub"
	}
	return "binding(?)"
}

// vdsoCalls are the system calls that x86-64's vDSO has a function for, which
// the kernel calls __vdso_NAME (arch/x86/entry/vdso/vdso.lds.S). All of them
// are served by the shim, too.
var vdsoCalls = [...]string{"clock_getres", "clock_gettime", "getcpu", "getrandom", "gettimeofday", "time"}

// VDSOCalls returns the names of the calls that have a vDSO function, in
// alphabetical order.
func VDSOCalls() []string { return slices.Clone(vdsoCalls[:]) }

func inVDSO(nr int) bool {
	name, ok := Name(nr)
	return ok && slices.Contains(vdsoCalls[:], name)
}

// staysKernel reports whether r leaves the vDSO function to the kernel. What
// passes system calls through has nothing to do with calls that are none, unless
// its mechanism is for everything.
func (r *Rule) staysKernel() bool {
	return r.Action.Kind == Allow || r.Action.Kind == Passthrough && r.Mechanism.inProgram()
}

// Binding returns what becomes of the vDSO function of the named call. The
// function is the shim's only where the plan's answer is the same for every
// call; where anything has to decide, it is a stub and the filter decides.
func (p *Plan) Binding(name string) Binding {
	nr, ok := Number(name)
	if !ok || !inVDSO(nr) {
		return BindForward
	}
	rules := p.For(nr)
	last := p.Default.Kind
	for i := range rules {
		r := &rules[i]
		if len(r.Conds) > 0 {
			if !r.staysKernel() {
				return BindStub
			}
			continue
		}
		if r.Action.Kind == Shim && r.Mechanism.inProgram() && len(rules) == 1 {
			return BindShim
		}
		last = r.Action.Kind
		if r.staysKernel() {
			last = Allow
		}
		break
	}
	if last == Allow {
		return BindForward
	}
	return BindStub
}
