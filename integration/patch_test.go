package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patchPolicy writes a policy whose calls are served at patched sites: getrandom by
// the shim, getuid as 77, and passed passed through. It returns the flags for it.
func patchPolicy(t *testing.T, passed ...string) []string {
	t.Helper()
	text := "version: 1\nrules:\n" +
		"  - {calls: [getrandom], mechanism: patch, do: shim}\n" +
		"  - {calls: [getuid], mechanism: patch, do: {return: 77}}\n"
	if len(passed) > 0 {
		text += "  - {calls: [" + strings.Join(passed, ", ") + "], mechanism: patch, do: passthrough}\n"
	}
	return writePolicy(t, text)
}

// unused are more calls than constants have code of their own in the shim, all with
// smaller numbers than getuid, whose turn comes behind them. The victim makes none.
const unused = "shmget shmat shmctl dup dup2 pause nanosleep getitimer alarm setitimer sendfile socket connect accept sendto recvfrom " +
	"sendmsg recvmsg shutdown bind listen getsockname getpeername socketpair setsockopt getsockopt semget semop semctl shmdt msgget " +
	"msgsnd msgrcv msgctl flock fsync fdatasync truncate ftruncate getdents chdir fchdir rename mkdir rmdir creat link unlink symlink " +
	"chmod fchmod chown fchown lchown umask getrusage sysinfo times ptrace pipe select sched_yield mremap msync mincore madvise poll"

// manyConstants returns the flags for a policy that answers them all.
func manyConstants(t *testing.T) []string {
	t.Helper()
	return writePolicy(t, "version: 1\nrules:\n  - {calls: ["+strings.Join(strings.Fields(unused), ", ")+"], mechanism: patch, do: {return: 5}}\n")
}

// writePolicy writes a policy, and returns the flags for it.
func writePolicy(t *testing.T, text string) []string {
	t.Helper()
	dir, err := os.MkdirTemp(scratch, "policy-")
	must(t, err)
	must(t, os.Chmod(dir, 0o755))
	path := filepath.Join(dir, "policy.yaml")
	must(t, os.WriteFile(path, []byte(text), 0o644))
	return []string{"-p", path}
}

var patchedSites = regexp.MustCompile(`(?m)^(\d+) of (\d+) sites patched\n`)

// sitesPatched is what a victim said of its own code on standard error.
func sitesPatched(t *testing.T, o outcome) (patched, of int) {
	t.Helper()
	m := patchedSites.FindStringSubmatch(o.stderr)
	if m == nil {
		t.Fatalf("%s, and no word of sites:\n%s%s", describe(o.status), o.stdout, o.stderr)
	}
	patched, _ = strconv.Atoi(m[1])
	of, _ = strconv.Atoi(m[2])
	return patched, of
}

// TestPatchRegisters compares everything that a system call must not change, at all
// shapes of patches, with all flags, full vector registers and any stack pointer.
func TestPatchRegisters(t *testing.T) {
	for _, how := range []string{"glibc", "glibc-no-pie", "glibc-static", "musl", "musl-static"} {
		t.Run(how, func(t *testing.T) {
			asEach(t, func(t *testing.T, who account) {
				flags, crowded := patchPolicy(t, "getppid"), manyConstants(t)
				p := program{argv: []string{victim(t, "registers.c", how)}, user: who}
				native := p.run(t, p.argv)
				if describe(native.status) != "status 0" {
					t.Fatalf("natively: %s\n%s", describe(native.status), native.stdout)
				}
				for _, more := range [][]string{nil, {"--stats-file", os.DevNull}, crowded, append([]string{"--stats-file", os.DevNull}, crowded...)} {
					o := p.run(t, underReflect(append(more, flags...), append(p.argv, "77")...))
					if n, all := sitesPatched(t, o); o.stdout != native.stdout || n != all {
						t.Errorf("%v: %s\n%s%s", more, describe(o.status), o.stdout, o.stderr)
					}
				}
			})
		})
	}
}

// TestPatchTorn patches thousands of sites, at every offset in a cache line, while
// another processor executes them.
func TestPatchTorn(t *testing.T) {
	const rounds = 12
	for _, how := range []string{"glibc", "glibc-no-pie"} {
		t.Run(how, func(t *testing.T) {
			p := program{argv: []string{victim(t, "torn.c", how), fmt.Sprint(rounds)}}
			o := p.run(t, underReflect(patchPolicy(t, "getppid"), p.argv...))
			if n, all := sitesPatched(t, o); describe(o.status) != "status 0" || n < all*9/10 {
				t.Errorf("%s\n%s%s", describe(o.status), o.stdout, o.stderr)
			}
		})
	}
}

// TestPatchRelays: two sites that want the same padding.
func TestPatchRelays(t *testing.T) {
	p := program{argv: []string{victim(t, "relay.c", "glibc")}, flags: patchPolicy(t, "getppid")}
	p.works(t, "0 calls went wrong")
}

// TestPatchVisited: the site of static musl's getrandom jumps to where no memory for
// stubs is, so a thread is visited to map it. The call that waits for its answer then
// is made again, and counted once.
func TestPatchVisited(t *testing.T) {
	p := program{argv: []string{victim(t, "function.c", "musl-static"), "1000"}}
	c, o := p.count(t)
	if patched, _ := c.of("getrandom", "patch"); o.stdout != "1000 whole\n" || c.calls("getrandom") != 1000 || patched < 900 {
		t.Errorf("%s: %d calls counted, %d of them patched\n%s%s", describe(o.status), c.calls("getrandom"), patched, o.stdout, o.stderr)
	}
}

// passedCalls are what the victims of signals and cancellation sleep in, and make.
var passedCalls = []string{
	"getppid", "nanosleep", "clock_nanosleep", "poll", "ppoll", "select", "pselect6", "futex", "read", "write", "wait4", "accept",
	"pause", "sched_yield", "tgkill", "rt_sigprocmask", "mmap", "munmap", "mprotect",
}

// TestPatchSignals: handlers that make calls, jump out, and walk the stack, and calls
// that sleep.
func TestPatchSignals(t *testing.T) {
	for _, flags := range [][]string{patchPolicy(t, passedCalls...), {"-p", "all-calls"}} {
		t.Run(filepath.Base(flags[1]), func(t *testing.T) {
			p := program{argv: []string{victim(t, "patchsignals.c", "glibc")}, flags: flags}
			native := p.run(t, p.argv)
			o := p.run(t, underReflect(flags, p.argv...))
			inside, _, _ := strings.Cut(o.stderr, " signals in the shim\n")
			if n, err := strconv.Atoi(inside); err != nil || n < 3 {
				t.Errorf("signals in the shim: %q", o.stderr)
			}
			native.stderr, o.stderr = "", ""
			p.differs(t, native, o)
		})
	}
}

// TestPatchCancel: a thread that waits in a patched call is unwound there when it is
// cancelled.
func TestPatchCancel(t *testing.T) {
	for _, flags := range [][]string{patchPolicy(t, passedCalls...), {"-p", "all-calls"}} {
		t.Run(filepath.Base(flags[1]), func(t *testing.T) {
			p := program{argv: []string{victim(t, "cancel.cc", "c++")}, flags: flags}
			p.works(t, "read: cancelled, 2 destroyed, 1 cleaned", "cond: cancelled, 2 destroyed, 1 cleaned")
		})
	}
}

// TestPatchCancelPoint: musl's getrandom is a cancellation point, in a function whose
// code is left alone; and what sleeps in that function is cancelled as ever.
func TestPatchCancelPoint(t *testing.T) {
	for _, how := range []string{"musl", "musl-static"} {
		t.Run(how, func(t *testing.T) {
			asEach(t, func(t *testing.T, who account) {
				p := program{argv: []string{victim(t, "cancelpoint.c", how)}, user: who}
				for _, flags := range [][]string{nil, {"-p", "all-calls"}} {
					p.flags = flags
					p.works(t, "sleeping: 400 cancelled, all cleaned, made some", "0 wrong")
				}
				p.flags = nil
				c, _ := p.count(t)
				if patched, notified := count(c, "getrandom"); patched < 10*notified {
					t.Errorf("%d calls by patched sites, %d notified", patched, notified)
				}
			})
		})
	}
}

// count is how many calls came by patched sites, and how many were notified.
func count(c counters, call string) (patched, notified uint64) {
	patched, _ = c.of(call, "patch")
	notified, _ = c.of(call, "notify")
	return patched, notified
}

var outOfReach = regexp.MustCompile(`(?m)^reflect: warning: a process's memory can't be reached.*\n`)

// TestPatchRemap: a stale patch is never jumped to, and code that is no file's is
// called as it is.
func TestPatchRemap(t *testing.T) {
	a, b := victim(t, "onecall.c", "library"), victim(t, "onecall.c", "library-2")
	flags := patchPolicy(t, "getppid", "getpgrp")
	for _, how := range [][]string{nil, {"mdwe"}, {"undumpable"}} {
		t.Run(strings.Join(how, ""), func(t *testing.T) {
			asEach(t, func(t *testing.T, who account) {
				for _, more := range [][]string{flags, append([]string{"-p", "all-calls", "--no-patch-cache"}, flags...)} {
					p := program{argv: append([]string{victim(t, "remap.c", "glibc"), a, b}, how...), user: who, flags: more}
					if how != nil && how[0] == "undumpable" {
						// Who may not reach its memory says so, and leaves its calls to the kernel.
						p.clean = func(s string) string { return outOfReach.ReplaceAllString(s, "") }
					}
					p.works(t, "0 wrong", "at the same address: 1")
				}
			})
		})
	}
}

// TestPatchGdb: gdb breaks at a patched instruction, steps through the stub and the
// call, and walks the stack from inside.
func TestPatchGdb(t *testing.T) {
	need(t, "gdb", "gdb")
	p := program{}
	l := p.start(t, underReflect([]string{"-p", "all-calls"}, victim(t, "spin.c", "glibc")))
	// Where it is stopped it sleeps, in a record's call.
	time.Sleep(300 * time.Millisecond)
	out, err := exec.Command("timeout", "40", "gdb", "-nx", "--batch", "-iex", "set debuginfod enabled off", "-p", fmt.Sprint(l.pid),
		"-ex", "bt", "-ex", "break clock_nanosleep", "-ex", "continue", "-ex", "bt", "-ex", "finish", "-ex", "bt", "-ex", "delete", "-ex", "detach").CombinedOutput()
	if n := strings.Count(string(out), " main ("); err != nil || n != 3 {
		t.Errorf("gdb: %v, %d stacks reach main\n%s", err, n, out)
	}
	if !alive(l.pid) {
		t.Error("the program did not survive")
	}
	must(t, syscall.Kill(l.pid, syscall.SIGKILL))
	l.end(t)
}

// TestPatchOwnFilter: what a program forbids itself after its sites were patched.
func TestPatchOwnFilter(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		p := program{argv: []string{victim(t, "ownfilter.c", "glibc")}, user: who, flags: patchPolicy(t, "getppid")}
		p.works(t, "-1, errno 99", "1: status 1f", "10 traps", "10 dispatched")
	})
}

// TestUnmappedVDSO runs a program that has no vDSO any more when its sites would be
// patched: they stay as they are, and that is counted.
func TestUnmappedVDSO(t *testing.T) {
	p := program{argv: []string{victim(t, "novdso.c", "glibc")}}
	p.works(t, "getrandom 1000")
	c, _ := p.count(t)
	if len(c.Missed) != 1 || !strings.Contains(c.Missed[0].Reason, "unmapped the shim") {
		t.Errorf("missed: %+v", c.Missed)
	}
}

// TestPatchLoop: where a loop leads past the first jump there is another.
func TestPatchLoop(t *testing.T) {
	for _, how := range []string{"glibc", "glibc-no-pie"} {
		p := program{argv: []string{victim(t, "hoisted.c", how)}, flags: patchPolicy(t, "getppid")}
		c, o := p.count(t)
		if n, _ := c.of("getppid", "patch"); o.stdout != "0 calls went wrong\n" || n < 39000 {
			t.Errorf("%s: %d patched\n%s%s", describe(o.status), n, o.stdout, o.stderr)
		}
		p.flags = writePolicy(t, dispatchOne)
		if c, o = p.count(t); o.stdout != "0 calls went wrong\n" {
			t.Errorf("%s\n%s%s", describe(o.status), o.stdout, o.stderr)
		}
		if n, _ := c.of("getppid", "patch"); n < 39000 {
			t.Errorf("under dispatch %d calls came by the patch", n)
		}
	}
}
