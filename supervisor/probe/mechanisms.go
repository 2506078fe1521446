package probe

import (
	"slices"
	"strings"
)

// A mechanism is what is known of one before anything is tried.
type mechanism struct {
	Mechanism
	needs  []string // features
	better []string // features that it does better with
}

// serving is what every run stands on, whatever serves the calls: the programs
// that a program executes are noticed by a notification and prepared by ptrace.
var serving = []string{"seccomp_filter", "user_notif", "user_notif_continue", "addfd", "ret_trace", "ptrace_child",
	"process_vm_readv", "process_vm_writev", "pidfd_open", "subreaper", "memfd_exec"}

// mechanisms are made when they are asked for: a run asks for none.
func mechanisms() []mechanism {
	return []mechanism{
		{
			Mechanism: Mechanism{
				Name: "vdso", Available: true, NeedsPtrace: true, RaceSafe: true,
				Notes: "traces each program for a moment at its exec, never after; cooperative: " +
					"the program can always make the real call",
			},
			needs:  append(slices.Clip(serving), "map_low", "vdso"),
			better: []string{"wait_killable_recv", "sync_wake_up", "set_mm_map", "seal_future_write", "pidfd_getfd"},
		},
		{
			Mechanism: Mechanism{
				Name: "notify", Available: true, NeedsPtrace: true,
				Notes: "a call that is served is safe from races, one that is left to the kernel after a look is not; " +
					"the shim's gate is exempt, except from deny and kill rules",
			},
			needs:  serving,
			better: []string{"wait_killable_recv", "sync_wake_up", "set_mm_map"},
		},
		{
			Mechanism: Mechanism{
				Name: "patch", Available: true, NeedsPtrace: true, RaceSafe: true,
				Notes: "stands on notify, which serves a site until it is patched; cooperative, as vdso is",
			},
			needs:  append(slices.Clip(serving), "map_low", "vdso", "proc_mem_force"),
			better: []string{"wait_killable_recv", "sync_wake_up", "set_mm_map"},
		},
		{
			Mechanism: Mechanism{
				Name: "trap", Available: true, NeedsPtrace: true, RaceSafe: true,
				Notes: "served in the program by a handler of SIGSYS, behind which the program's own use of that signal goes on; " +
					"calls that could block it are trapped too; cooperative, as vdso is",
			},
			needs: append(slices.Clip(serving), "map_low", "vdso", "ret_trap"),
		},
		{
			Mechanism: Mechanism{
				Name: "sud", Available: true, NeedsPtrace: true, RaceSafe: true,
				Notes: "as trap, and a call that is not reflected is a signal too until its site is patched for it",
			},
			needs: append(slices.Clip(serving), "map_low", "vdso", "ret_trap", "sud"),
		},
		{
			Mechanism: Mechanism{
				Name: "ptrace", Available: true, NeedsPtrace: true,
				Notes: "traces all that runs, always: no debugger can be used; races as under notify, and the gate too",
			},
			needs:  append(slices.Clip(serving), "ptrace_get_syscall_info"),
			better: []string{"set_mm_map"},
		},
		{
			Mechanism: Mechanism{
				Name: "ptrace-all", Available: true, NeedsPtrace: true,
				Notes: "as ptrace, and every call of the program stops: a baseline",
			},
			needs:  append(slices.Clip(serving), "ptrace_get_syscall_info", "ptrace_sysemu"),
			better: []string{"set_mm_map"},
		},
	}
}

const notAvailable = "not in this version"

// judgeMechanisms says for each mechanism what the features mean for it.
func judgeMechanisms(r *Report) []Mechanism {
	var out []Mechanism
	for _, m := range mechanisms() {
		j := m.Mechanism
		var lack lacking
		j.Kernel = Yes
		for _, name := range m.needs {
			f, ok := r.Feature(name)
			switch {
			case ok && f.Status == Yes:
				continue
			case f.Status == No || f.Errno == "EBUSY":
				j.Kernel = No
			case j.Kernel == Yes:
				j.Kernel = Unknown
			}
			lack.add(name, f.Why)
		}
		j.Usable = j.Available && j.Kernel == Yes
		j.Why = lack.String()
		if !j.Available {
			j.Why = notAvailable
			if len(lack.reasons) > 0 {
				j.Why += "; " + lack.String()
			}
		}
		// Each listens for execs, and one process has one listener.
		second, _ := r.Feature("second_listener")
		j.Nests = slices.Contains(m.needs, "user_notif") && second.Status == Yes
		if j.Usable {
			var lacks []string
			for _, name := range m.better {
				if f, ok := r.Feature(name); !ok || f.Status != Yes {
					lacks = append(lacks, name)
				}
			}
			if len(lacks) > 0 {
				j.Why = "usable, but better with " + strings.Join(lacks, ", ")
			}
		}
		out = append(out, j)
	}
	return out
}

// lacking collects features that are not there, by reason.
type lacking struct {
	reasons  []string
	features map[string][]string
}

func (l *lacking) add(feature, why string) {
	if l.features == nil {
		l.features = make(map[string][]string)
	}
	if l.features[why] == nil {
		l.reasons = append(l.reasons, why)
	}
	l.features[why] = append(l.features[why], feature)
}

func (l *lacking) String() string {
	var parts []string
	for _, why := range l.reasons {
		parts = append(parts, strings.Join(l.features[why], ", ")+": "+why)
	}
	return strings.Join(parts, "; ")
}
