package integration

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// debug attaches gdb to a process, has it carry out commands and detach, and returns
// what it said.
func (l *live) debug(t *testing.T, commands ...string) string {
	t.Helper()
	args := []string{"-nx", "--batch", "-iex", "set debuginfod enabled off", "-p", fmt.Sprint(l.pid)}
	for _, c := range append(commands, "delete", "detach") {
		args = append(args, "-ex", c)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "gdb", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("gdb: %v\n%s", err, out)
	}
	return string(out)
}

// survives makes sure that a program goes on, and ends it.
func (l *live) survives(t *testing.T) outcome {
	t.Helper()
	time.Sleep(100 * time.Millisecond)
	if !alive(l.pid) {
		o := l.end(t)
		t.Fatalf("the program did not survive: %s\n%s%s", describe(o.status), o.stdout, o.stderr)
	}
	must(t, syscall.Kill(l.pid, syscall.SIGTERM))
	return l.end(t)
}

// patchedIn waits until the sites of victims/stops.c are patched.
func (l *live) patchedIn(t *testing.T) {
	t.Helper()
	if line, err := l.out.ReadString('\n'); line != "patched\n" {
		t.Fatalf("%q, %v", line, err)
	}
}

var breakpointHit = regexp.MustCompile(`(?m)^Breakpoint (\d+), `)

// breakpointsHit are the numbers of the breakpoints that gdb stopped at, in order.
func breakpointsHit(text string) (hits []int) {
	for _, m := range breakpointHit.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		hits = append(hits, n)
	}
	return hits
}

// stopSites are the `syscall` instructions of victims/stops.c, in the order of calls.
var stopSites = []string{
	"by_constant_site", "by_pass_site", "by_random_site", "any_site", "in_two_site", "in_three_site", "in_four_site", "in_next_site",
}

// TestPatchBreakpoints: a breakpoint on the `syscall` instruction is met by each call,
// also where the patch's jump ends in that instruction's bytes, and the call's result is
// what it was.
func TestPatchBreakpoints(t *testing.T) {
	need(t, "gdb", "gdb")
	asEach(t, func(t *testing.T, who account) {
		for _, more := range [][]string{nil, {"--stats"}} {
			p := program{user: who}
			l := p.start(t, underReflect(append(more, patchPolicy(t, "getppid")...), victim(t, "stops.c", "glibc")))
			l.patchedIn(t)
			var commands []string
			for _, s := range stopSites {
				commands = append(commands, "x/2i "+s+"-3", "break *"+s)
			}
			commands = append(commands, slices.Repeat([]string{"continue", "bt"}, 2*len(stopSites))...)
			// Behind the call, and in what the jump shares besides it.
			commands = append(commands, "delete", "break *in_two_back", "break *in_next_moved", "break *by_constant")
			commands = append(commands, slices.Repeat([]string{"continue", "bt"}, 3)...)
			text := l.debug(t, commands...)
			hits := breakpointsHit(text)
			if len(hits) != 2*len(stopSites)+3 {
				t.Fatalf("%d stops at breakpoints\n%s", len(hits), text)
			}
			n := len(stopSites)
			for i, h := range hits {
				if want := (hits[0]-1+i)%n + 1; i < 2*n && h != want {
					t.Errorf("stop %d is at breakpoint %d, not %d\n%s", i, h, want, text)
				}
			}
			if n := strings.Count(text, " in main ("); n != len(hits) {
				t.Errorf("%d of %d stacks reach main\n%s", n, len(hits), text)
			}
			if o := l.survives(t); o.stdout != "" || describe(o.status) != "signal terminated" {
				t.Errorf("%s: %s", describe(o.status), o.stdout)
			}
		}
	})
}

// TestPatchSteps: an instruction at a time through the jump, the stub, the shim and back,
// out of it, and up to places behind it.
func TestPatchSteps(t *testing.T) {
	need(t, "gdb", "gdb")
	const steps = 20
	p := program{}
	l := p.start(t, underReflect(patchPolicy(t, "getppid"), victim(t, "stops.c", "glibc")))
	l.patchedIn(t)
	for _, s := range []struct{ site, value string }{
		{"by_constant", "77"}, {"by_random", "16"}, {"by_pass", ""}, {"any", ""}, {"in_two", ""}, {"in_next", ""},
	} {
		t.Run(s.site, func(t *testing.T) {
			back := s.site + "_back"
			behind := []string{"printf \"behind: %d %d %d\\n\", $pc == (long)&" + back + ", $rcx == $pc, $rax"}
			commands := []string{"break *" + s.site, "continue", "until *" + back}
			commands = append(append(commands, behind...), "continue", "advance *"+back)
			commands = append(append(commands, behind...), "continue", "stepi", "finish", "info symbol $pc", "continue")
			commands = append(append(commands, slices.Repeat([]string{"stepi", "bt"}, steps)...), "tbreak *"+back, "continue")
			text := l.debug(t, append(commands, behind...)...)
			// Right behind the instruction rcx is that address, as after a system call.
			of := regexp.MustCompile(`(?m)^behind: 1 1 (.*)$`).FindAllStringSubmatch(text, -1)
			if len(of) < 2 || !strings.Contains(text, "\nmain + ") {
				t.Errorf("%d stops behind the call\n%s", len(of), text)
			}
			for _, m := range of {
				if s.value != "" && m[1] != s.value {
					t.Errorf("the result is %s, not %s", m[1], s.value)
				}
			}
			// All of the image and the region's stubs are described. Near a program only the
			// code around it is.
			if n := strings.Count(text, " in main ("); n < steps {
				t.Errorf("%d of %d stacks reach main\n%s", n, steps, text)
			}
		})
	}
	if o := l.survives(t); o.stdout != "" || describe(o.status) != "signal terminated" {
		t.Errorf("%s: %s", describe(o.status), o.stdout)
	}
}

// TestPatchBreakpointsFirst: a site with a breakpoint in it is not patched while that is
// there, and is afterwards.
func TestPatchBreakpointsFirst(t *testing.T) {
	need(t, "gdb", "gdb")
	p := program{}
	l := p.start(t, underReflect(append([]string{"--stats"}, patchPolicy(t, "getppid")...), victim(t, "stops.c", "glibc"), "wait"))
	for range 2 {
		commands := []string{"handle SIGUSR1 nostop noprint", "break *by_constant", "break *by_random_site", "signal SIGUSR1"}
		commands = append(commands, slices.Repeat([]string{"continue"}, 19)...)
		text := l.debug(t, append(commands, "x/2i by_constant", "x/2i by_random", "x/2i by_pass")...)
		if n := len(breakpointsHit(text)); n != 20 {
			t.Errorf("%d stops\n%s", n, text)
		}
	}
	l.patchedIn(t)
	text := l.debug(t, "x/2i by_constant", "x/2i by_random", "x/2i by_pass")
	if n := strings.Count(text, "jmp "); n != 3 {
		t.Errorf("%d of 3 sites are patched afterwards\n%s", n, text)
	}
	l.survives(t)
}

// TestPatchCatch: a call that passes through is a system call to debuggers, made by a
// stub; one that is answered in the program is none.
func TestPatchCatch(t *testing.T) {
	need(t, "gdb", "gdb")
	p := program{}
	l := p.start(t, underReflect(patchPolicy(t, "getppid"), victim(t, "stops.c", "glibc")))
	l.patchedIn(t)
	text := l.debug(t, "catch syscall getppid", "catch syscall getuid", "continue", "bt", "continue", "bt", "continue", "bt")
	if n, main := strings.Count(text, "(call to syscall getppid)")+strings.Count(text, "(returned from syscall getppid)"),
		strings.Count(text, " in main ("); n != 3 || main != 3 {
		t.Errorf("%d stops, %d stacks\n%s", n, main, text)
	}
	l.survives(t)
}
