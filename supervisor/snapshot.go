package supervisor

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

// Counters returns what the run has counted so far. It may be called at any
// time after Start, from any goroutine.
func (c *Cmd) Counters() Counters {
	if c.run == nil {
		return Counters{}
	}
	if final := c.run.final.Load(); final != nil {
		return *final
	}
	now := c.run.counters()
	if final := c.run.final.Load(); final != nil {
		return *final // the region went while it was read
	}
	return now
}

func (r *run) counters() Counters {
	out := Counters{Execs: r.execs.Load(), Programs: r.programs.Load(), Sites: r.sites()}
	inProgram, patched := r.programCounts()
	handled := r.region.trapCounts(len(r.plan.Rules))
	for i := range r.plan.Rules {
		rule := &r.plan.Rules[i]
		if i == 0 || r.plan.Rules[i-1].Nr != rule.Nr {
			if n := patched[rule.Nr]; n > 0 {
				out.Calls = append(out.Calls, CallCount{
					Call: rule.Name, Implementation: r.patched(rule), Mechanism: "patch", Count: n,
				})
			}
			if n := inProgram[rule.Nr]; n > 0 {
				out.Calls = append(out.Calls, CallCount{
					Call: rule.Name, Implementation: "shim", Mechanism: "vdso", Count: n,
				})
			}
		}
		if i < len(handled) && handled[i] > 0 && byHandler(rule) {
			out.Calls = append(out.Calls, handlerCount(rule, handled[i]))
		}
		out.Calls = append(out.Calls, r.entries[i].counts(r.timed)...)
	}
	for _, nr := range slices.Sorted(maps.Keys(patched)) {
		if name, ok := policy.Name(nr); ok && len(r.plan.For(nr)) == 0 {
			out.Calls = append(out.Calls, CallCount{Call: name, Implementation: "kernel", Mechanism: "patch", Count: patched[nr]})
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, reason := range r.missOrder {
		out.Missed = append(out.Missed, *r.missed[reason])
	}
	return out
}

// programCounts sums, by system call number, what the programs counted: calls of
// the shim's functions, and calls at patched sites.
func (r *run) programCounts() (functions, patched map[int]uint64) {
	functions = map[int]uint64{}
	symbols, calls := r.region.counts()
	for symbol, n := range symbols {
		// A stub's call is notified, and counted there.
		if nr, ok := policy.Number(strings.TrimPrefix(symbol, "__vdso_")); ok && r.binding(symbol) == vdsoshim.Shim {
			functions[nr] += n
		}
	}
	for nr := range calls {
		// Others went back to their sites, and were notified there.
		if r.patching == nil || !r.patching.told[nr] {
			delete(calls, nr)
		}
	}
	return functions, calls
}

// counts tells what an entry served, and apart what it left to the kernel.
func (e *entry) counts(timed bool) []CallCount {
	var out []CallCount
	count, kernel := e.count.Load(), e.kernel.Load()
	if count > kernel {
		out = append(out, CallCount{
			Call: e.rule.Name, Implementation: implementation(e.rule), Mechanism: e.mechanism(),
			Count: count - kernel, Errors: e.errs.Load(), Time: time.Duration(e.nanos.Load()), Timed: timed,
		})
	}
	if kernel > 0 {
		by := CallCount{Call: e.rule.Name, Implementation: "kernel", Mechanism: e.mechanism(), Count: kernel}
		if e.rule.Action.Kind == policy.Passthrough { // all that it does
			by.Implementation, by.Time, by.Timed = implementation(e.rule), time.Duration(e.nanos.Load()), timed
		}
		out = append(out, by)
	}
	return out
}

// mechanism names how the supervisor got an entry's calls.
func (e *entry) mechanism() string {
	if e.traced() && !alwaysNotified(e.rule.Nr) {
		return e.rule.Mechanism.String()
	}
	return policy.Notify.String()
}

// alwaysNotified reports whether a call is notified under every plan: execs, and what the
// program's first process needs before it has a tracer.
func alwaysNotified(nr int) bool {
	return nr == unix.SYS_EXECVE || nr == unix.SYS_EXECVEAT || nr == unix.SYS_SECCOMP
}

// implementation names what answers a rule's notifications.
func implementation(rule *policy.Rule) string {
	switch a := rule.Action; a.Kind {
	case policy.Go:
		return "go: " + a.Handler
	case policy.Shim:
		return "go: " + rule.Name
	case policy.Return:
		return fmt.Sprintf("return: %d", a.Value)
	case policy.Errno:
		return "errno: " + unix.ErrnoName(unix.Errno(a.Errno))
	case policy.Deny:
		return "deny"
	case policy.Passthrough:
		return "passthrough"
	}
	return "kernel"
}
