package integration

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// tracers are the mechanisms under which reflect is the tracer of all that runs.
var tracers = []string{"ptrace", "ptrace-all"}

// asTracer runs a test by each of them.
func asTracer(t *testing.T, tests ...func(t *testing.T)) {
	for _, m := range tracers {
		t.Run(m, func(t *testing.T) { under(t, m, tests...) })
	}
}

// tracerPolicy names calls of which a program can tell whether they were reflected:
// getppid is 7.
func tracerPolicy(t *testing.T) []string {
	t.Helper()
	return writePolicy(t, "version: 1\nrules:\n  - {calls: getppid, do: {return: 7}}\n  - {calls: getrandom, do: shim}\n")
}

// TestTracer runs, by a tracer, what other tests run by the default mechanism:
// processes, signals, terminals, state and users are as natively, and programs as
// users have them do what they do. Background processes keep reflect from ending.
func TestTracer(t *testing.T) {
	asTracer(t,
		TestSpawning, TestFailedExecs, TestPathSearch, TestExecFromMemory, TestEmptyEnvironment,
		TestInheritedDescriptors, TestChroot, TestNamespaces,
		TestState, TestStateKeptByExec, TestStateInherited, TestInheritedLimits, TestSession, TestFewDescriptors,
		TestDeath, TestCoreDump, TestSignalsToReflect, TestStop, TestOrphans,
		TestInterrupt, TestStopAndContinue, TestStopWithoutFirstThread, TestShellOnTerminal, TestBackgroundRead, TestHangup,
		TestBackgroundContinued, TestStopsItsGroup,
		TestKilledAtStart, TestGuardianKilled, TestNothingLeft,
		TestThirtyTwoBits, TestForeignCalls, TestOwnFilter, TestSandboxes, TestReflectInReflect,
		TestDropUser, TestUnreadable, TestSetUserID, TestCapabilities,
		TestUrgentStorm, TestThousandProcesses, TestInterpreters,
		TestGit, TestCompiler, TestTar, TestRedis, TestNginx,
	)
}

// TestTracerKilled kills reflect: the kernel kills what it traces
// (PTRACE_O_EXITKILL).
func TestTracerKilled(t *testing.T) {
	asTracer(t, TestKilled)
}

// TestTracerLanguages: each C library and Go, static and not, has its calls served,
// those that it would make through a vDSO too.
func TestTracerLanguages(t *testing.T) {
	for _, m := range tracers {
		t.Run(m, func(t *testing.T) {
			for _, how := range []string{"glibc", "glibc-static", "glibc-no-pie", "musl", "musl-static", "go"} {
				t.Run(how, func(t *testing.T) {
					asEach(t, func(t *testing.T, who account) {
						p := program{user: who, flags: []string{"-m", m}}
						want, functions := uint64(30), []string{"getrandom", "clock_gettime"}
						if how == "go" {
							p.argv = []string{victim(t, "gorandom", "go"), "400"}
							want = 400
						} else {
							p.argv = []string{victim(t, "calls.c", how), "one", "two words", ""}
						}
						native := p.run(t, p.argv)
						c, o := p.count(t)
						p.differs(t, native, o)
						c.reachedAll(t)
						for _, call := range functions {
							if n, _ := c.of(call, m); n < want && call == "getrandom" || n == 0 {
								t.Errorf("%s was served %d times by %s", call, n, m)
							}
						}
						for _, k := range c.Calls {
							if k.Mechanism != m {
								t.Errorf("%s was served by %s", k.Call, k.Mechanism)
							}
						}
					})
				})
			}
		})
	}
}

// TestTracerRestart: calls that sleep are taken up again after a stop, and return
// after a signal, when and with what they do natively.
func TestTracerRestart(t *testing.T) {
	asTracer(t, func(t *testing.T) {
		program{argv: []string{victim(t, "traced.c", "glibc"), "endless"}}.works(t, "epoll_wait: 1 -", "epoll_wait: 0 Interrupted system call", "sigwaitinfo: 1 -")
		program{argv: []string{victim(t, "traced.c", "glibc"), "restart"}}.works(t, "nanosleep, stop: 0 -, in full", "nanosleep, eintr: -1 Interrupted system call, early")
	})
}

// TestTracerStorm: 64 threads, forks, execs and stops under a storm of signals. Each
// call is answered, right, once, and counted.
func TestTracerStorm(t *testing.T) {
	for _, m := range tracers {
		t.Run(m, func(t *testing.T) {
			asEach(t, func(t *testing.T, who account) {
				seconds := "4"
				if os.Getenv("SOAK") != "" {
					seconds = "60"
				}
				p := program{
					argv: []string{victim(t, "flurry.c", "musl-static"), "storm", "64", seconds}, user: who,
					flags: append(tracerPolicy(t), "-m", m), timeout: 3 * time.Minute,
				}
				c, o := p.count(t)
				t.Logf("%s%s", o.stdout, o.stderr)
				var ppid, random, wrong, signals, forks, execs, stops uint64
				if _, err := fmt.Sscanf(o.stdout, "ppid %d random %d wrong %d signals %d forks %d execs %d stops %d",
					&ppid, &random, &wrong, &signals, &forks, &execs, &stops); err != nil || o.status != 0 || o.stderr != "" || wrong > 0 {
					t.Fatalf("%s %q %q", describe(o.status), o.stdout, o.stderr)
				}
				if signals == 0 || forks == 0 || execs == 0 || stops == 0 {
					t.Errorf("it was no storm")
				}
				c.reachedAll(t)
				if n, errors := c.of("getppid", m); n != ppid || errors != 0 {
					t.Errorf("getppid: %d calls, %d counted, %d errors", ppid, n, errors)
				}
				if n, errors := c.of("getrandom", m); n != random || errors != 0 {
					t.Errorf("getrandom: %d calls, %d counted, %d errors", random, n, errors)
				}
				if c.Programs != execs+1 {
					t.Errorf("%d programs for %d execs", c.Programs, execs)
				}
			})
		})
	}
}

// TestTracerAlarms: under a timer without SA_RESTART no reflected call is interrupted,
// which a notified one may be.
func TestTracerAlarms(t *testing.T) {
	storm := victim(t, "storm.c", "glibc")
	asTracer(t, func(t *testing.T) {
		for _, how := range []string{"restart", "eintr"} {
			// A signal's handler costs four stops, some 60 µs: the next one after 50 µs leaves none for calls.
			o := (&program{}).run(t, underReflect(nil, storm, "250", how, "raw", "1"))
			var calls, interrupted, wrong, alarms int
			if _, err := fmt.Sscanf(o.stdout, "calls %d interrupted %d wrong %d alarms %d", &calls, &interrupted, &wrong, &alarms); err != nil {
				t.Fatalf("%s %q %q", describe(o.status), o.stdout, o.stderr)
			}
			if calls == 0 || alarms == 0 || interrupted > 0 || wrong > 0 || o.status != 0 || o.stderr != "" {
				t.Errorf("%s: %d calls, %d alarms, %d interrupted, %d wrong, %s %q", how, calls, alarms, interrupted, wrong, describe(o.status), o.stderr)
			}
		}
	})
}

// TestTracerReplaced: a thread executes a program while the process's first thread,
// whose id it takes, stops for its calls.
func TestTracerReplaced(t *testing.T) {
	for _, m := range tracers {
		t.Run(m, func(t *testing.T) {
			p := program{argv: []string{victim(t, "flurry.c", "glibc-static"), "race", "1500"}, flags: append(tracerPolicy(t), "-m", m)}
			c, o := p.count(t)
			if o.stdout != "done\n" || o.status != 0 || o.stderr != "" || c.Programs != 1501 {
				t.Errorf("%s %q %q, %d programs", describe(o.status), o.stdout, o.stderr, c.Programs)
			}
		})
	}
}

// TestTracerExceptions: what a tracer can't keep from a program. docs/mechanisms.md
// says which code of the kernel makes it so.
func TestTracerExceptions(t *testing.T) {
	asTracer(t, func(t *testing.T) {
		run := func(t *testing.T, way string, more ...string) (native, reflected outcome) {
			t.Helper()
			p := program{argv: []string{victim(t, "traced.c", "glibc"), way}}
			return p.run(t, p.argv), p.run(t, underReflect(append(more, tracerPolicy(t)...), p.argv...))
		}
		t.Run("debugger", func(t *testing.T) { // ptrace_attach, ptrace_traceme: one tracer
			native, reflected := run(t, "debugger")
			if native.stdout != "PTRACE_TRACEME: done\nPTRACE_SEIZE: done\n" ||
				reflected.stdout != "PTRACE_TRACEME: Operation not permitted\nPTRACE_SEIZE: Operation not permitted\n" {
				t.Errorf("natively %q, reflected %q", native.stdout, reflected.stdout)
			}
		})
		t.Run("ignored signal", func(t *testing.T) { // sig_ignored: queued for the tracer to see
			native, reflected := run(t, "ignored")
			if native.stdout != "epoll_wait, ignored: 0 -, in full\n" ||
				reflected.stdout != "epoll_wait, ignored: -1 Interrupted system call, early\n" {
				t.Errorf("natively %q, reflected %q", native.stdout, reflected.stdout)
			}
		})
		t.Run("untraced", func(t *testing.T) { // kernel_clone: CLONE_UNTRACED
			native, reflected := run(t, "untraced")
			if native.stdout != "getrandom: served\n" || reflected.stdout != "getrandom: Function not implemented\n" {
				t.Errorf("natively %q, reflected %q", native.stdout, reflected.stdout)
			}
		})
		t.Run("filter", func(t *testing.T) { // __seccomp_filter: RET_TRACE without a tracer
			native, reflected := run(t, "filter")
			want := "getuid: -1 Function not implemented\ngetppid: -1 Function not implemented\ngetrandom: 16\n"
			if native.stdout != want || reflected.stdout != want {
				t.Errorf("natively %q, reflected %q", native.stdout, reflected.stdout)
			}
		})
		t.Run("background", func(t *testing.T) { // ptrace(2): tracees can't be handed on
			began := time.Now()
			p := program{argv: []string{"/bin/sh", "-c", "sleep 0.7 >/dev/null 2>&1 & exit 3"}}
			if o := p.run(t, underReflect(nil, p.argv...)); o.status.ExitStatus() != 3 || o.stderr != "" || time.Since(began) < 700*time.Millisecond {
				t.Errorf("%s %q after %v", describe(o.status), o.stderr, time.Since(began))
			}
		})
	})
}

// TestTracerStopsItself: one process of the tree stops another and continues it,
// which takes its tracer. Natively a shell that is told of it goes on as well.
func TestTracerStopsItself(t *testing.T) {
	asTracer(t, func(t *testing.T) {
		program{argv: []string{"/bin/bash", "-c", `(sleep 0.2; kill -CONT $$; echo continued) & kill -STOP $$; wait; echo end`}}.works(t, "continued", "end")
	})
}

// TestTracerStopsNew: a process stops itself while the child that is to continue it waits
// for a processor, and for its first stop.
func TestTracerStopsNew(t *testing.T) {
	exe := victim(t, "stopnew.c", "glibc")
	var done atomic.Bool
	defer done.Store(true)
	for range runtime.NumCPU() {
		go func() {
			for !done.Load() {
			}
		}()
	}
	for _, m := range tracers {
		t.Run(m, func(t *testing.T) {
			p := program{argv: []string{exe, "100"}, flags: []string{"-m", m}}
			p.works(t, "continued")
		})
	}
}

// TestTracerBeside: rules by different mechanisms serve one program.
func TestTracerBeside(t *testing.T) {
	flags := writePolicy(t, `version: 1
rules:
  - {calls: getrandom, do: shim}
  - {calls: clock_gettime, mechanism: ptrace, do: shim}
  - {calls: getppid, mechanism: ptrace-all, do: {return: 7}}
  - {calls: time, mechanism: notify, do: shim}
  - {calls: getuid, mechanism: patch, do: {return: 5}}
  - {calls: write, when: int(arg0) == 77, mechanism: ptrace, do: {errno: EIO}}
`)
	python := `import os, time, ctypes
libc = ctypes.CDLL(None)
for i in range(20): os.getrandom(16); time.time(); os.getppid(); os.getuid(); libc.time(None)
try: os.write(77, b"x")
except OSError as e: print(e.strerror)
try: os.write(78, b"x")
except OSError as e: print(e.strerror)
print(os.getppid(), os.getuid())`
	asEach(t, func(t *testing.T, who account) {
		p := program{argv: []string{"/usr/bin/python3", "-c", python}, user: who, flags: flags}
		c, o := p.count(t)
		if o.status != 0 || o.stdout != "Input/output error\nBad file descriptor\n7 5\n" || o.stderr != "" {
			t.Errorf("%s %q %q", describe(o.status), o.stdout, o.stderr)
		}
		for call, by := range map[string]string{"getrandom": "patch", "clock_gettime": "ptrace", "getppid": "ptrace-all", "time": "notify", "getuid": "patch", "write": "ptrace"} {
			if n, _ := c.of(call, by); n == 0 {
				t.Errorf("%s never came by %s: %+v", call, by, c.Calls)
			}
		}
		c.reachedAll(t)
	})
}

// TestTracerSeed: the same seed gives the same bytes by each mechanism.
func TestTracerSeed(t *testing.T) {
	said := map[string]bool{}
	for _, m := range append(tracers, "notify") {
		p := program{argv: []string{"/bin/sh", "-c", `for i in 1 2; do /usr/bin/python3 -c 'import os; print(os.getrandom(20).hex())'; done`}}
		o := p.run(t, underReflect([]string{"--seed", "7", "-m", m}, p.argv...))
		if o.status != 0 || strings.Count(o.stdout, "\n") != 2 {
			t.Errorf("%s: %s %q %q", m, describe(o.status), o.stdout, o.stderr)
		}
		said[o.stdout] = true
	}
	if len(said) != 1 {
		t.Errorf("different bytes: %v", said)
	}
}

// TestTracerRefused: where nothing may be traced, nothing runs.
func TestTracerRefused(t *testing.T) {
	need(t, "strace", "strace")
	p := program{argv: []string{"/bin/echo", "ran"}}
	for _, m := range tracers {
		// strace -f has the program before reflect can.
		o := p.run(t, append([]string{"/usr/bin/strace", "-f", "-o", "/dev/null"}, underReflect([]string{"-m", m}, p.argv...)...))
		if o.status == 0 || strings.Contains(o.stdout, "ran") || !strings.Contains(o.stderr, "tracer") {
			t.Errorf("%s: %s %q %q", m, describe(o.status), o.stdout, o.stderr)
		}
	}
}

// TestTracerLetsDie: a signal that kills, kills at once, and a core is the program's.
func TestTracerLetsDie(t *testing.T) {
	asTracer(t, func(t *testing.T) {
		l := program{}.start(t, underReflect(nil, victim(t, "signals.c", "glibc"), "busy"))
		must(t, syscall.Kill(l.pid, syscall.SIGSEGV))
		if o := l.end(t); describe(o.status) != "signal segmentation fault" || o.stderr != "" {
			t.Errorf("%s %q", describe(o.status), o.stderr)
		}
	})
}
