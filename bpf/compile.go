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
	// Gate is the address of the gate's system call instruction, 0 for none.
	Gate uint64
}

// Compile returns the filters of p for programs whose gate stands at address
// gate. Where gate is 0, no address is exempt.
func Compile(p *policy.Plan, gate uint64) (*Program, error) {
	return compile(p, gate, kind.compile)
}

func compile(p *policy.Plan, gate uint64, one func(k kind, p *policy.Plan, gate uint64) ([]netbpf.RawInstruction, error)) (*Program, error) {
	if err := check(p); err != nil {
		return nil, err
	}
	out := &Program{Gate: gate}
	var err error
	if out.Main, err = one(mainFilter, p, gate); err != nil {
		return nil, err
	}
	if denies(p) {
		if out.Deny, err = one(denyFilter, p, gate); err != nil {
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

func (k kind) compile(p *policy.Plan, gate uint64) ([]netbpf.RawInstruction, error) {
	var a assembler
	spans, err := a.spans(k, p, gate)
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
