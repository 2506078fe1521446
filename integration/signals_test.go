package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// signalLine is what `signals count` says of SIGCONT, which shells send at will.
var signalLine = regexp.MustCompile(`signal 18 came \d+ times\r?\n`)

// TestDeath runs programs that die of each signal, by themselves and by a fault.
func TestDeath(t *testing.T) {
	signals := victim(t, "signals.c", "glibc")
	for s := 1; s < 65; s++ {
		switch syscall.Signal(s) {
		case syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU:
			continue
		}
		program{argv: []string{signals, "die", fmt.Sprint(s)}}.same(t)
	}
	asEach(t, func(t *testing.T, who account) {
		for _, how := range []string{"null", "div", "ill", "trap", "abort", "stack", "bus"} {
			p := program{argv: []string{signals, "crash", how}, user: who}
			if native := p.same(t); !native.status.Signaled() {
				t.Errorf("natively %s", describe(native.status))
			}
		}
		program{argv: []string{signals, "kids", "31"}, user: who}.works(t)
		// The status that a shell gives, and its message.
		program{argv: []string{"/bin/bash", "-c", signals + " crash null; echo $?; " + signals + " die 15; echo $?; kill -9 $$"}, user: who,
			clean: func(s string) string { return regexp.MustCompile(`line \d+: +\d+`).ReplaceAllString(s, "-") }}.same(t)
	})
}

// TestCoreDump: the program's core is dumped, and it is the program's, not ours.
func TestCoreDump(t *testing.T) {
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	must(t, err)
	if strings.ContainsAny(string(pattern), "|/%") {
		t.Skipf("cores go elsewhere: %s", pattern)
	}
	signals := victim(t, "signals.c", "glibc")
	asEach(t, func(t *testing.T, who account) {
		p := program{
			argv:     []string{"/bin/bash", "-c", "ulimit -c unlimited; exec " + signals + " crash null"},
			user:     who,
			skipFile: func(path string) bool { return strings.HasPrefix(path, "core") },
		}
		p.same(t)
		dir := workDir(t, who)
		if out, err := p.command(t.Context(), dir, underReflect(nil, p.argv...)).CombinedOutput(); err == nil {
			t.Errorf("it did not die: %s", out)
		}
		cores, _ := filepath.Glob(filepath.Join(dir, "core*"))
		if len(cores) != 1 {
			t.Fatalf("cores: %q", cores)
		}
		if _, err := exec.LookPath("gdb"); err != nil {
			return
		}
		out, err := exec.Command("gdb", "-nx", "--batch", "-iex", "set debuginfod enabled off", "-ex", "bt", signals, cores[0]).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "crash (") {
			t.Errorf("gdb of %s: %v\n%s", cores[0], err, out)
		}
	})
}

// TestCoreInCall: in a core of a program that died in a call which the shim made, the stack
// is walked as natively.
func TestCoreInCall(t *testing.T) {
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	must(t, err)
	if strings.ContainsAny(string(pattern), "|/%") {
		t.Skipf("cores go elsewhere: %s", pattern)
	}
	need(t, "gdb", "gdb")
	dies := victim(t, "diesincall.c", "glibc")
	dump := func(t *testing.T, line ...string) string {
		t.Helper()
		p := program{argv: []string{"/bin/bash", "-c", "ulimit -c unlimited; exec " + strings.Join(line, " ")}}
		dir := workDir(t, p.user)
		if out, err := p.command(t.Context(), dir, p.argv).CombinedOutput(); err == nil {
			t.Errorf("it did not die: %s", out)
		}
		cores, _ := filepath.Glob(filepath.Join(dir, "core*"))
		if len(cores) != 1 {
			t.Fatalf("cores: %q", cores)
		}
		return cores[0]
	}
	for _, m := range []string{"auto", "trap", "sud"} {
		t.Run(m, func(t *testing.T) {
			core := dump(t, underReflect([]string{"-m", m, "-p", "all-calls"}, dies)...)
			out, err := exec.Command("gdb", "-nx", "--batch", "-iex", "set debuginfod enabled off", "-ex", "bt", dies, core).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "inner (") || !strings.Contains(string(out), "main (") {
				t.Errorf("gdb of %s: %v\n%s", core, err, out)
			}
		})
	}
	t.Run("starter", func(t *testing.T) { // the first image, where there is no flag
		core, err := os.ReadFile(dump(t, underReflect(nil, dies)...))
		must(t, err)
		if !bytes.Contains(core, []byte("sysreflect\x00")) {
			t.Error("the shim's note is not in the core")
		}
	})
}

// TestSignalsToReflect sends signals to reflect itself: the program gets each once,
// and reflect ends as it does.
func TestSignalsToReflect(t *testing.T) {
	signals := victim(t, "signals.c", "glibc")
	asEach(t, func(t *testing.T, who account) {
		t.Run("handled", func(t *testing.T) {
			var said [2]outcome
			for i, argv := range [][]string{{signals, "count", "20"}, underReflect(nil, signals, "count", "20")} {
				l := program{user: who}.start(t, argv)
				for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGALRM,
					syscall.SIGSEGV, syscall.SIGTRAP, syscall.SIGSYS, 40} {
					must(t, l.cmd.Process.Signal(s))
					time.Sleep(80 * time.Millisecond)
				}
				must(t, l.cmd.Process.Signal(syscall.SIGQUIT))
				said[i] = l.end(t)
			}
			(&program{argv: []string{signals}}).differs(t, said[0], said[1])
			if !strings.Contains(said[0].stdout, "signal 15 came 1 times") {
				t.Errorf("natively: %q", said[0].stdout)
			}
		})
		t.Run("fatal", func(t *testing.T) {
			atOnce := []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGALRM}
			// What the Go runtime takes for faults of its own, and can't be kept from while it begins.
			later := []syscall.Signal{syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGSYS}
			for _, s := range append(atOnce, later...) {
				var said [2]outcome
				for i, argv := range [][]string{{signals, "busy"}, underReflect(nil, signals, "busy")} {
					l := program{user: who}.start(t, argv)
					eventually(t, 10*time.Second, "nothing is blocked any more", func() bool {
						b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.cmd.Process.Pid))
						must(t, err)
						return slices.Contains(atOnce, s) || strings.Contains(string(b), "SigBlk:\t0000000000000000\n")
					})
					must(t, l.cmd.Process.Signal(s))
					said[i] = l.end(t)
				}
				(&program{argv: []string{signals, s.String()}}).differs(t, said[0], said[1])
			}
		})
		t.Run("program killed", func(t *testing.T) {
			l := program{user: who}.start(t, underReflect(nil, signals, "busy"))
			must(t, syscall.Kill(l.pid, syscall.SIGKILL))
			if o := l.end(t); describe(o.status) != "signal killed" || o.stderr != "" {
				t.Errorf("%s %q", describe(o.status), o.stderr)
			}
		})
	})
}

// TestStop stops and continues the program at random moments, most of them in a
// notification: nothing is lost, and it stops within a moment.
func TestStop(t *testing.T) {
	signals := victim(t, "signals.c", "glibc")
	asEach(t, func(t *testing.T, who account) {
		l := program{user: who}.start(t, underReflect(nil, signals, "busy"))
		for i := range 200 {
			must(t, syscall.Kill(l.pid, syscall.SIGSTOP))
			eventually(t, 2*time.Second, "stopped", func() bool { return isStopped(l.pid) })
			time.Sleep(time.Duration(i%7) * 100 * time.Microsecond)
			must(t, syscall.Kill(l.pid, syscall.SIGCONT))
		}
		if !alive(l.pid) || !alive(l.cmd.Process.Pid) {
			t.Error("it is gone")
		}
		must(t, syscall.Kill(l.pid, syscall.SIGTERM))
		if o := l.end(t); describe(o.status) != "signal terminated" || o.stderr != "" {
			t.Errorf("%s %q", describe(o.status), o.stderr)
		}
	})
}

// isStopped reports whether a process is stopped by a signal. With a tracer it looks
// as if it were stopped for that, so it must have stayed so for a while.
func isStopped(pid int) bool {
	if !traced() {
		return inState(pid, "T")
	}
	switches := func() string {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, n, _ := strings.Cut(string(b), "voluntary_ctxt_switches")
		return n
	}
	before := switches()
	time.Sleep(5 * time.Millisecond)
	return inState(pid, "t") && switches() == before
}

// inState reports whether /proc/PID/stat (proc(5)) has this letter for the first thread's state.
func inState(pid int, letter string) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return strings.Contains(string(b), ") "+letter+" ")
}

// TestOrphans leaves processes behind: they go on, are still served, and what they
// write arrives.
func TestOrphans(t *testing.T) {
	bare := victim(t, "bare.c", "bare")
	asEach(t, func(t *testing.T, who account) {
		for _, line := range []string{
			`(sleep 0.2; ` + bare + `; echo late $?) & echo early`,
			`(sleep 0.2; ` + bare + `; echo $? > late) >/dev/null 2>&1 & echo early; exit 3`,
			`setsid sh -c '(sleep 0.2; echo daemon > late; ` + bare + `; echo $? > later) > /dev/null 2>&1 &'; exit 4`,
			`(sh -c '(sh -c "sleep 0.1; echo deep; kill -9 \$\$" &)' &); wait; echo first`,
		} {
			program{
				argv: []string{"/bin/sh", "-c", line},
				user: who,
			}.afterwards(t, 450*time.Millisecond)
		}
	})
}

// afterwards is same for a program whose orphans go on for a while.
func (p program) afterwards(t *testing.T, while time.Duration) {
	t.Helper()
	var o [2]outcome
	for i, argv := range [][]string{p.argv, underReflect(nil, p.argv...)} {
		dir := workDir(t, p.user)
		var stdout, stderr strings.Builder
		cmd := p.command(t.Context(), dir, argv)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		cmd.Run()
		switch {
		case !traced():
			time.Sleep(while)
		case i == 0:
			time.Sleep(2 * while) // reflect waits for them, however long they take
		}
		o[i] = outcome{stdout: stdout.String(), stderr: stderr.String(), status: cmd.ProcessState.Sys().(syscall.WaitStatus), files: p.leftBehind(t, dir)}
	}
	p.differs(t, o[0], o[1])
}

// TestInterruptedAtStart sends SIGINT, as a terminal does, to reflect and all that it
// has started so far: it ends by that, as the program natively would, or was too late.
func TestInterruptedAtStart(t *testing.T) {
	for i := range 100 {
		cmd := exec.Command(reflectBinary, "run", "--", "/bin/sh", "-c", "sleep 0.02")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		must(t, cmd.Start())
		// From before its runtime has begun until the program runs.
		time.Sleep(500*time.Microsecond + time.Duration(i)*60*time.Microsecond)
		syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
		cmd.Wait()
		if s := cmd.ProcessState.Sys().(syscall.WaitStatus); s != 0 && s.Signal() != syscall.SIGINT || out.Len() > 0 {
			t.Errorf("after %d: %s %q", i, describe(s), &out)
		}
	}
}
