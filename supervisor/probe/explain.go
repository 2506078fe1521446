package probe

import (
	"fmt"
	"slices"
	"strings"
)

// explain says why a feature is not there, from the call that was refused and
// from what is known about the process. The first reason that fits is given.
func explain(r *Report, f *Feature) string {
	p := &r.Process
	refusal := "it was tried and did not work"
	if f.Call != "" && f.Errno != "" {
		refusal = fmt.Sprintf("%s: %s", f.Call, f.Errno)
	} else if f.Call != "" {
		refusal = f.Call + " had no effect"
	}
	if why := byProfile(r, f.Call); why != "" {
		return why
	}
	refused := f.Errno == "EPERM" || f.Errno == "EACCES"
	switch {
	case f.Name == "second_listener" && f.Errno == "EBUSY":
		return "one listener per process (EBUSY)"
	case f.Errno == "EBUSY" && f.Call == "seccomp":
		return "this process already has a listener (EBUSY): it runs under reflect or another such sandbox"
	case f.Call == "ptrace" && refused && p.Yama == 3:
		return "kernel.yama.ptrace_scope is 3: nobody may trace"
	case f.Call == "ptrace" && refused && p.Yama == 2 && !p.SysPtrace:
		return "kernel.yama.ptrace_scope is 2: tracing takes CAP_SYS_PTRACE"
	case f.Name == "ptrace_other" && refused && p.Yama == 1 && !p.SysPtrace:
		return "kernel.yama.ptrace_scope is 1: only descendants may be traced"
	case f.Name == "memfd_exec" && refused && p.MemfdExec == 2:
		return "vm.memfd_noexec is 2: memory files can't be executed"
	case f.Errno == "EEXIST" && f.Call == "mmap":
		return "something is mapped there already"
	case f.Call == "mmap" && refused && confined(p):
		return fmt.Sprintf("%s: a security module (%s) refuses", refusal, p.Label)
	case f.Call == "pwrite64" && refused || f.Call == "pwrite64" && f.Errno == "EIO":
		return "proc_mem.force_override forbids it (" + refusal + ")"
	case f.Call == "ptrace" && refused && p.Tracer != 0:
		return refusal + ": this process is itself traced"
	case f.Since != "" && !atLeast(r.Kernel, f.Since):
		return "needs Linux " + f.Since
	case f.Name == "rdpid" || f.Name == "fsgsbase":
		return "the processor refuses the instruction, or the kernel did not enable it"
	case f.Name == "vdso_clock" && f.Call == "clock_gettime":
		return fmt.Sprintf("it falls back to a system call: clock source %s", p.Clock)
	case f.Errno == "ENOSYS" || f.Errno == "EINVAL":
		return refusal + ": this kernel was built without it, or a profile hides it"
	case refused && confined(p):
		return fmt.Sprintf("%s: refused, maybe by the security module (%s)", refusal, p.Label)
	case refused && p.Seccomp != 0:
		return refusal + ": refused, maybe by a seccomp profile that looks at arguments"
	}
	return refusal
}

// byProfile names the profile's answer if it forbids a call altogether.
func byProfile(r *Report, call string) string {
	i := slices.IndexFunc(r.Calls, func(c Call) bool { return c.Name == call && c.Forbidden })
	if i < 0 {
		return ""
	}
	if r.Calls[i].Answer == "killed" {
		return "a seccomp profile kills on " + call
	}
	where := "a seccomp profile"
	if r.Process.Container != "" {
		where = "the container's seccomp profile"
	}
	return fmt.Sprintf("%s answers %s with %s", where, call, r.Calls[i].Answer)
}

// killedBy is the answer where a probe was killed by SIGSYS. That is conclusive
// where a call that is needed is known to kill.
func killedBy(r *Report) (Status, string) {
	var deadly []string
	for _, c := range r.Calls {
		if c.Answer == "killed" {
			deadly = append(deadly, c.Name)
		}
	}
	if len(deadly) == 0 {
		return Unknown, "the probe was killed by SIGSYS: a seccomp profile kills for something that it does"
	}
	return No, "the probe was killed by SIGSYS: a seccomp profile kills on " + strings.Join(deadly, ", ")
}

func confined(p *Process) bool { return p.Label != "" && p.Label != "kernel" }
