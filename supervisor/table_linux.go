package supervisor

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/bpf"
	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/reflect"
)

// fillTable prepares what the receivers look up.
func (r *run) fillTable(handlers map[string]reflect.Handler) error {
	r.entries = make([]entry, len(r.plan.Rules))
	for i := range r.plan.Rules {
		rule := &r.plan.Rules[i]
		if rule.Nr < 0 || rule.Nr >= tableSize {
			return fmt.Errorf("system call number %d is out of range", rule.Nr)
		}
		h, err := r.handlerFor(rule, handlers)
		if err != nil {
			return err
		}
		r.handoffNotified = r.handoffNotified || isHandoffCall(rule.Name)
		r.entries[i].rule, r.entries[i].handler, r.entries[i].long = rule, h, howLong(rule, handlers)
		if r.table[rule.Nr] == 0 {
			r.table[rule.Nr] = uint16(i + 1)
		}
		r.entries[i].data = bpf.RuleData(r.plan, i)
	}
	return nil
}

// howLong is how long what serves a rule's notifications may take.
func howLong(rule *policy.Rule, handlers map[string]reflect.Handler) takes {
	switch a := rule.Action; a.Kind {
	case policy.Return, policy.Errno, policy.Deny, policy.Passthrough:
		return takesNothing
	case policy.Go:
		if handlers[a.Handler] != nil {
			return takesAnything
		}
	}
	return takesMemory
}

// handlerFor is what serves a rule's notifications; nil leaves the call to the
// kernel.
func (r *run) handlerFor(rule *policy.Rule, handlers map[string]reflect.Handler) (reflect.Handler, error) {
	name := rule.Name
	switch a := rule.Action; a.Kind {
	case policy.Return:
		return constant(a.Value, 0), nil
	case policy.Errno:
		return constant(0, unix.Errno(a.Errno)), nil
	case policy.Deny:
		return constant(0, unix.EPERM), nil
	case policy.Go:
		name = a.Handler
		if h := handlers[name]; h != nil {
			return h, nil
		}
	case policy.Passthrough:
		return leave, nil
	case policy.Shim:
	default:
		return nil, nil
	}
	if name == "getrandom" && r.streams != nil {
		return r.seeded(), nil
	}
	h, ok := reflect.Builtin(name)
	if !ok {
		return nil, fmt.Errorf("%s: %w %q", rule.Name, ErrNoHandler, name)
	}
	return h, nil
}
