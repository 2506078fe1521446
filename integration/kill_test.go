package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// marked lists the processes that have a mark in their environment, or had when
// they were executed.
func marked(mark string) []int {
	var found []int
	dirs, _ := os.ReadDir("/proc")
	for _, d := range dirs {
		var pid int
		if n, err := fmt.Sscan(d.Name(), &pid); n != 1 || err != nil {
			continue
		}
		if b, err := os.ReadFile("/proc/" + d.Name() + "/environ"); err == nil && strings.Contains(string(b), mark) && alive(pid) {
			found = append(found, pid)
		}
	}
	return found
}

// execStorm executes, forks and makes reflected calls without a pause.
const execStorm = `echo ready
calls() { while :; do "$0" count 0; done; }
execs() { while :; do /bin/true; done; }
pipes() { while :; do echo x | cat | cat; done; }
(calls & execs & pipes & setsid sh -c 'while :; do /bin/true; done' & wait) > /dev/null 2>&1`

// TestKilled kills reflect at random points of an exec storm: within 2 seconds nothing
// of the tree is left, sessions and orphans of its own included.
func TestKilled(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 10
	}
	signals := victim(t, "signals.c", "glibc")
	asEach(t, func(t *testing.T, who account) {
		slowest := time.Duration(0)
		for round := range rounds {
			mark := fmt.Sprintf("REFLECT_MARK=%d-%d", os.Getpid(), rand.Uint64())
			p := program{user: who, env: append(plainEnv("/tmp"), mark)}
			l := p.start(t, underReflect(nil, "/bin/sh", "-c", execStorm, signals))
			time.Sleep(time.Duration(rand.IntN(60000)) * time.Microsecond)
			tree := descendants(l.cmd.Process.Pid)
			if len(tree) < 2 {
				t.Fatalf("round %d: only %d processes; %s", round, len(tree), l.stderr())
			}
			must(t, l.cmd.Process.Kill())
			began := time.Now()
			eventually(t, 2*time.Second, "nothing of the tree left", func() bool {
				for _, pid := range tree {
					if alive(pid) {
						return false
					}
				}
				return len(marked(mark)) == 0
			})
			slowest = max(slowest, time.Since(began))
			if o := l.end(t); describe(o.status) != "signal killed" {
				t.Errorf("%s", describe(o.status))
			}
		}
		t.Logf("the slowest end took %v", slowest)
	})
}

// TestKilledAtStart kills reflect while it starts.
func TestKilledAtStart(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 20
	}
	for range rounds {
		mark := fmt.Sprintf("REFLECT_MARK=%d-%d", os.Getpid(), rand.Uint64())
		p := program{env: append(plainEnv("/tmp"), mark)}
		dir := workDir(t, p.user)
		cmd := p.command(t.Context(), dir, underReflect(nil, "/bin/sleep", "100"))
		must(t, cmd.Start())
		time.Sleep(time.Duration(rand.IntN(6000)) * time.Microsecond)
		cmd.Process.Kill()
		cmd.Wait()
		eventually(t, 2*time.Second, "nothing left", func() bool { return len(marked(mark)) == 0 })
	}
}

// TestKilledWhileServing: calls that wait get ENOSYS at worst, and nobody hangs. The
// guardian is stopped, so that the program lives to see it.
func TestKilledWhileServing(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		for range 5 {
			// What the shim serves in the program needs no supervisor.
			l := program{user: who}.start(t, underReflect([]string{"-m", "notify"}, victim(t, "hammer.c", "glibc"), "ready", "8", "errno"))
			guardian := descendants(l.cmd.Process.Pid)[0]
			// It has a copy of the listener until it is through with its start, which comes before its name:
			// while it had that, stopped, nobody's call would end.
			eventually(t, 2*time.Second, "the guardian is named", func() bool {
				b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", guardian))
				return err == nil && string(b) == "reflect-guard\n"
			})
			must(t, syscall.Kill(guardian, syscall.SIGSTOP))
			time.Sleep(20 * time.Millisecond)
			must(t, l.cmd.Process.Kill())
			line, err := l.out.ReadString('\n')
			if err != nil || line != "first error: Function not implemented\n" {
				t.Errorf("%q, %v", line, err)
			}
			must(t, syscall.Kill(guardian, syscall.SIGCONT))
			eventually(t, 2*time.Second, "nothing left", func() bool { return !alive(l.pid) && !alive(guardian) })
		}
	})
}

// TestGuardianApart: what is sent by name to reflect does not hit the guardian, which
// must outlive it, and little of reflect's memory is in it.
func TestGuardianApart(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		l := program{user: who}.start(t, underReflect(nil, victim(t, "signals.c", "glibc"), "busy"))
		proc := fmt.Sprintf("/proc/%d/", descendants(l.cmd.Process.Pid)[0])
		for file, want := range map[string]string{"comm": "reflect-guard\n", "cmdline": "reflect-guard\x00"} {
			eventually(t, time.Second, "named", func() bool {
				b, err := os.ReadFile(proc + file)
				return err == nil && string(b) == want
			})
		}
		status, err := os.ReadFile(proc + "status")
		must(t, err)
		_, rest, _ := strings.Cut(string(status), "RssAnon:")
		var kb int
		if _, err := fmt.Sscan(rest, &kb); err != nil || kb > 256 {
			t.Errorf("%d kB of memory of its own, %v", kb, err)
		}
		must(t, l.cmd.Process.Kill())
		eventually(t, 2*time.Second, "nothing left", func() bool { return !alive(l.pid) })
		l.end(t)
	})
}

// TestGuardianKilled kills the guardian: reflect does not hang, and the tree does
// not go on unserved.
func TestGuardianKilled(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		l := program{user: who}.start(t, underReflect(nil, victim(t, "signals.c", "glibc"), "busy"))
		guardian := descendants(l.cmd.Process.Pid)[0]
		must(t, syscall.Kill(guardian, syscall.SIGKILL))
		eventually(t, 3*time.Second, "both gone", func() bool { return !alive(l.pid) && !alive(l.cmd.Process.Pid) })
		if o := l.end(t); describe(o.status) != "status 125" && !o.status.Signaled() {
			t.Errorf("%s %q", describe(o.status), o.stderr)
		}
	})
}

// TestNothingLeft runs reflect where process 1 does not reap what it inherits, as in
// many containers: reflect leaves no zombie and no process.
func TestNothingLeft(t *testing.T) {
	need(t, "unshare", "util-linux")
	asEach(t, func(t *testing.T, who account) {
		p := program{user: who}
		script := strings.Join(underReflect(nil, "/bin/true"), " ") + "; "
		script += strings.Join(underReflect([]string{"--stats"}, "/bin/sh", "-c", "'/bin/true; /bin/true & wait'"), " ") + " 2>/dev/null; "
		script += strings.Join(underReflect(nil, "/no/such/program"), " ") + " 2>/dev/null; "
		o := p.run(t, []string{"/usr/bin/unshare", "-Urpf", "--mount-proc", "/bin/sh", "-c",
			"(" + script + "sleep 0.3; ps -e -o pid=,ppid=,stat=,comm= > all; cat all) & exec sleep 1.5"})
		if left := strings.Count(o.stdout, "reflect"); left > 0 || strings.Contains(o.stdout, "Z") || !strings.Contains(o.stdout, "sleep") {
			t.Errorf("left behind:\n%s%s", o.stdout, o.stderr)
		}
	})
}
