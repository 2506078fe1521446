package integration

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A tracer's warning: what it executes can't be attached to, since it has a tracer.
// That is told once, on standard error; by trap and sud tracers hand off what they trace.
func withoutWarning(t *testing.T, stderr string) string {
	t.Helper()
	var rest []string
	told := 0
	for l := range strings.SplitAfterSeq(stderr, "\n") {
		if strings.HasPrefix(l, "reflect: ") {
			told++
			if !strings.Contains(l, "tracer") {
				t.Errorf("unexpected: %s", l)
			}
			continue
		}
		rest = append(rest, l)
	}
	want := 1
	if bySIGSYS() {
		want = 0
	}
	if told != want {
		t.Errorf("told %d times of the program's own tracer, want %d:\n%s", told, want, stderr)
	}
	return strings.Join(rest, "")
}

var numbers = regexp.MustCompile(`0x[0-9a-f]+|\d+`)

// stray is what strace --seccomp-bpf says of execs that it was not told of first.
var stray = regexp.MustCompile(`(?m)^\S*strace: Stray PTRACE_EVENT_EXEC.*\n?`)

// digitsOnly is a line of two numbers.
var digitsOnly = regexp.MustCompile(`(?m)^\d+ \d+\n`)

// TestTracedInside runs programs that are debuggers: what they trace runs without
// the shim, but is still served.
func TestTracedInside(t *testing.T) {
	calls, spawn := victim(t, "calls.c", "glibc"), victim(t, "spawn.c", "glibc")
	for _, s := range []struct {
		name, pkg string
		argv      []string
	}{
		{"gdb", "gdb", []string{"/usr/bin/gdb", "-nx", "--batch", "-iex", "set debuginfod enabled off", "-ex", "break agreement", "-ex", "run one", "-ex", "bt", "-ex", "continue", calls}},
		{"gdb", "gdb", []string{"/usr/bin/gdb", "-nx", "--batch", "-iex", "set debuginfod enabled off", "-ex", "catch syscall getrandom", "-ex", "run", "-ex", "continue", "-ex", "bt", "-ex", "kill", calls}},
		{"strace", "strace", []string{"/usr/bin/strace", "-f", "-o", "trace", calls}},
		{"strace", "strace", []string{"/usr/bin/strace", "-f", "-o", "trace", spawn, "posix_spawn"}},
		{"strace", "strace", []string{"/usr/bin/strace", "-f", "-o", "trace", spawn, "nonleader"}},
		{"strace", "strace", []string{"/usr/bin/strace", "-D", "-f", "-o", "trace", spawn, "vfork"}},
		// Our filter's answer to execve comes before strace's (seccomp(2):
		// USER_NOTIF precedes TRACE), which it finds odd.
		{"strace", "strace", []string{"/usr/bin/strace", "-f", "--seccomp-bpf", "-e", "trace=write,exit_group", "-o", "trace", spawn, "fork"}},
	} {
		t.Run(s.name, func(t *testing.T) {
			need(t, s.name, s.pkg)
			asEach(t, func(t *testing.T, who account) {
				p := program{
					argv:     s.argv,
					user:     who,
					clean:    func(text string) string { return numbers.ReplaceAllString(sortLines(text), "N") },
					skipFile: func(path string) bool { return path == "trace" },
				}
				native, reflected := p.run(t, p.argv), p.run(t, underReflect(nil, p.argv...))
				if bySIGSYS() && slices.Contains(s.argv, "--seccomp-bpf") {
					// A filter of its own, under which a handoff's calls might be refused.
					if !strings.Contains(reflected.stderr, "exec refused") || !strings.Contains(reflected.stderr, "exec: Permission denied") {
						t.Errorf("%s: %s", describe(reflected.status), reflected.stderr)
					}
					return
				}
				reflected.stderr = withoutWarning(t, reflected.stderr)
				reflected.stderr = stray.ReplaceAllString(reflected.stderr, "")
				native.stderr, reflected.stderr = strings.TrimSpace(native.stderr), strings.TrimSpace(reflected.stderr)
				p.differs(t, native, reflected)
			})
		})
	}
}

// TestStraceOutside attaches strace to a program that is being reflected: it sees
// the reflected calls, and the program goes on.
func TestStraceOutside(t *testing.T) {
	need(t, "strace", "strace")
	asEach(t, func(t *testing.T, who account) {
		p := program{user: who}
		// Patched, they would be no system calls any more.
		l := p.start(t, underReflect([]string{"-m", "notify"}, victim(t, "signals.c", "glibc"), "count", "30"))
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		strace := p.command(ctx, "/", []string{"/usr/bin/timeout", "-s", "INT", "1", "/usr/bin/strace", "-f", "-p", fmt.Sprint(l.pid)})
		out, _ := strace.CombinedOutput()
		if n := strings.Count(string(out), "getrandom("); n < 5 || strings.Count(string(out), "= 16") < n-1 {
			t.Errorf("strace saw %d getrandom calls:\n%s", n, out)
		}
		must(t, syscall.Kill(l.pid, syscall.SIGUSR1))
		time.Sleep(20 * time.Millisecond)
		must(t, syscall.Kill(l.pid, syscall.SIGQUIT))
		if o := l.end(t); describe(o.status) != "status 7" || o.stderr != "" || o.stdout != "signal 3 came 1 times\nsignal 10 came 1 times\n" {
			t.Errorf("%s, %q, %q", describe(o.status), o.stdout, o.stderr)
		}
	})
}

// TestGdbOutside attaches gdb: it names the shim's functions, and walks the stack at
// every instruction of one. What the shim forwards to the kernel's own vDSO gdb knows
// no longer, since it looks for one vDSO.
func TestGdbOutside(t *testing.T) {
	need(t, "gdb", "gdb")
	asEach(t, func(t *testing.T, who account) {
		p := program{user: who}
		for _, function := range []string{"__vdso_getrandom", "__vdso_clock_gettime"} {
			l := p.start(t, underReflect(nil, victim(t, "spin.c", "glibc")))
			args := []string{"/usr/bin/gdb", "-nx", "--batch", "-iex", "set debuginfod enabled off", "-p", fmt.Sprint(l.pid),
				"-ex", "break *" + function, "-ex", "continue", "-ex", "info symbol $pc", "-ex", "bt"}
			const steps = 25
			for range steps {
				args = append(args, "-ex", "stepi", "-ex", "bt -frame-arguments none")
			}
			args = append(args, "-ex", "delete", "-ex", "detach")
			ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
			out, err := p.command(ctx, "/", args).CombinedOutput()
			cancel()
			text := string(out)
			// The weak alias is as good a name.
			name := regexp.MustCompile(`(__vdso_)?` + strings.TrimPrefix(function, "__vdso_") + ` in section \S+ of system-supplied DSO`)
			if err != nil || !name.MatchString(text) {
				t.Errorf("gdb does not know %s: %v\n%.3000s", function, err, text)
			}
			stacks := strings.Split(text, "#0 ")[1:]
			inside := 0
			for _, stack := range stacks {
				if strings.HasPrefix(stack, " 0x00007") && strings.Contains(strings.SplitN(stack, "\n", 2)[0], "?? ()") {
					continue // the kernel's own vDSO
				}
				inside++
				if !strings.Contains(stack, " main (") {
					t.Errorf("in %s a stack does not reach main:\n%s", function, stack)
				}
			}
			if len(stacks) != steps+1 || inside == 0 {
				t.Errorf("%d stacks, %d in the shim:\n%.3000s", len(stacks), inside, text)
			}
			time.Sleep(50 * time.Millisecond)
			if !alive(l.pid) {
				t.Errorf("the program did not survive: %s", l.stderr())
			}
			must(t, syscall.Kill(l.pid, syscall.SIGTERM))
			if o := l.end(t); describe(o.status) != "signal terminated" {
				t.Errorf("%s, %s", describe(o.status), o.stderr)
			}
		}
	})
}

// TestGcore: a core that gdb makes of the running program names the shim too.
func TestGcore(t *testing.T) {
	need(t, "gcore", "gdb")
	p := program{}
	l := p.start(t, underReflect(nil, victim(t, "spin.c", "glibc")))
	core := scratch + "/gcore"
	if out, err := exec.Command("gcore", "-o", core, fmt.Sprint(l.pid)).CombinedOutput(); err != nil {
		t.Fatalf("gcore: %v\n%s", err, out)
	}
	must(t, syscall.Kill(l.pid, syscall.SIGKILL))
	if o := l.end(t); describe(o.status) != "signal killed" {
		t.Errorf("%s, %s", describe(o.status), o.stderr)
	}
	out, err := exec.Command("gdb", "-nx", "--batch", "-iex", "set debuginfod enabled off", "-ex", "info symbol __vdso_getrandom", "-ex", "bt",
		victim(t, "spin.c", "glibc"), fmt.Sprintf("%s.%d", core, l.pid)).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "main (") {
		t.Errorf("gdb of the core: %v\n%s", err, out)
	}
}
