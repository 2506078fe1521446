package bpf

import (
	"errors"
	"fmt"

	netbpf "golang.org/x/net/bpf"

	"github.com/sysreflect/sysreflect/policy"
)

// MaxInstructions is how long a filter may be (BPF_MAXINSNS, linux/bpf_common.h).
const MaxInstructions = 4096

// ErrTooLong is wrapped by the error for a plan whose filter exceeds MaxInstructions.
var ErrTooLong = errors.New("filter is too long for the kernel")

// ErrNoLibseccomp is what CompileLibseccomp fails with where it is not built in.
var ErrNoLibseccomp = errors.New("this build has no libseccomp: it takes cgo and the build tag libseccomp")

// A Program is what a run installs. The order of installation makes no
// difference to the verdict on any call, but where a plan refuses seccomp(2)
// the main filter notifies it, and so the installation of the other.
type Program struct {
	// Main serves, answers and notifies; it needs a listener.
	Main []netbpf.RawInstruction
	// Deny refuses and kills, from every address; it is nil where the plan
	// does neither.
	Deny []netbpf.RawInstruction
	// Exempt is what Main exempts: no stubs where patched sites leave nothing to the kernel.
	Exempt
}

// Exempt is where the program's own filter lets reflected calls through. What
// stands there is the shim's, at the same addresses in every program of a run.
type Exempt struct {
	// Gate is the address of the gate's system call instruction, 0 for none.
	Gate uint64
	// Stubs to StubsEnd is where the stubs' system call instructions stand, both
	// 0 for none. From there calls go through that patched sites leave to
	// the kernel, and no others.
	Stubs, StubsEnd uint64
	// GateEnd, if not 0, is where code ends that begins with the gate and is all
	// exempt: what a handler of SIGSYS makes calls from. Only where calls are trapped.
	GateEnd uint64
	// Region is the address that the handoff maps the image to, by an instruction
	// that is not the gate's.
	Region uint64
}

// Compile returns the filters of p for programs in which calls from x are exempt.
func Compile(p *policy.Plan, x Exempt) (*Program, error) {
	return compile(p, x, kind.compile)
}

func compile(p *policy.Plan, x Exempt, one func(k kind, p *policy.Plan, x Exempt) ([]netbpf.RawInstruction, error)) (*Program, error) {
	if err := check(p); err != nil {
		return nil, err
	}
	if err := x.check(); err != nil {
		return nil, err
	}
	if !passes(p) {
		x.Stubs, x.StubsEnd = 0, 0
	}
	if !UsesSignals(p) {
		x.GateEnd, x.Region = 0, 0
	}
	out := &Program{Exempt: x}
	var err error
	if out.Main, err = one(mainFilter, p, x); err != nil {
		return nil, err
	}
	if denies(p) {
		if out.Deny, err = one(denyFilter, p, x); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// check refuses plans that package policy would not have built, so that their
// rules are found by the kernel as Plan.Match finds them.
func check(p *policy.Plan) error {
	for i := range p.Rules {
		r := &p.Rules[i]
		if r.Nr < 0 || r.Nr >= x32Bit {
			return fmt.Errorf("bpf: %d is not a system call number", r.Nr)
		}
		if i > 0 && r.Nr < p.Rules[i-1].Nr {
			return fmt.Errorf("bpf: rules of a plan must be ordered by number: %d stands after %d", r.Nr, p.Rules[i-1].Nr)
		}
	}
	return nil
}

// check refuses stubs that the test of the pointer can't tell from other code: it
// looks at the high half of an address once, for gate and stubs together.
func (x Exempt) check() error {
	if x.GateEnd != 0 && (x.Gate == 0 || x.GateEnd < x.Gate+syscallLen || (x.Gate+syscallLen)>>32 != x.GateEnd>>32) {
		return fmt.Errorf("bpf: the gate's code ends at %#x, and the gate is at %#x", x.GateEnd, x.Gate)
	}
	if x.Stubs == 0 && x.StubsEnd == 0 {
		return nil
	}
	switch high := (x.Gate + syscallLen) >> 32; {
	case x.Gate == 0:
		return fmt.Errorf("bpf: stubs from %#x, but no gate", x.Stubs)
	case x.Stubs+syscallLen > x.StubsEnd || x.Stubs == 0:
		return fmt.Errorf("bpf: no stub fits between %#x and %#x", x.Stubs, x.StubsEnd)
	case (x.Stubs+syscallLen)>>32 != high || x.StubsEnd>>32 != high:
		return fmt.Errorf("bpf: the stubs from %#x to %#x and the gate at %#x are not in the same 4 GiB", x.Stubs, x.StubsEnd, x.Gate)
	}
	return nil
}

// passes reports whether stubs make any call under p.
func passes(p *policy.Plan) bool {
	for i := range p.Rules {
		if c, ok := p.PatchedCall(p.Rules[i].Nr); ok && c.Kind == policy.PatchPass {
			return true
		}
	}
	return false
}

// denies reports whether p has anything for the deny filter to do.
func denies(p *policy.Plan) bool {
	if k := p.Default.Kind; k == policy.Deny || k == policy.Kill {
		return true
	}
	for i := range p.Rules {
		r := &p.Rules[i]
		switch r.Action.Kind {
		case policy.Kill:
			return true
		case policy.Deny:
			if !r.InSupervisor && !isHandoff(r.Nr) {
				return true
			}
		}
	}
	return false
}

func (k kind) compile(p *policy.Plan, x Exempt) ([]netbpf.RawInstruction, error) {
	a := assembler{exempt: x}
	spans, err := a.spans(k, p)
	if err != nil {
		return nil, err
	}
	a.dispatch(spans)
	return a.program(k)
}

// String returns the name of the filter.
func (k kind) String() string {
	if k == denyFilter {
		return "deny"
	}
	return "main"
}
