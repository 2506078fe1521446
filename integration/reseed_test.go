package integration

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// reseed runs `reflect reseed`, which must end with a status, and returns what it
// printed.
func reseed(t *testing.T, who account, status int, pids ...int) (stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(reflectBinary, "reseed")
	for _, pid := range pids {
		cmd.Args = append(cmd.Args, strconv.Itoa(pid))
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who.cred}
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	// Without a number others' trees are meant too, one of which may not answer.
	if got := cmd.ProcessState.ExitCode(); got != status && (len(pids) > 0 || got > 1) {
		t.Errorf("%q ended with %d, not %d: %s%s", cmd.Args[1:], got, status, &out, &errs)
	}
	return out.String(), errs.String()
}

// TestReseed bumps a tree by each process that stands for it.
func TestReseed(t *testing.T) {
	for _, v := range []struct {
		name string
		argv []string
	}{
		{"generation-glib", []string{victim(t, "generation.c", "glibc"), "follow"}},
		{"generation-glib", []string{victim(t, "generation.c", "glibc"), "child"}},
		{"gogeneration-go", []string{victim(t, "gogeneration", "go")}},
	} {
		asEach(t, func(t *testing.T, who account) {
			l := program{user: who}.start(t, underReflect(noTicks, v.argv...))
			last := l.change(t)
			supervisor := l.cmd.Process.Pid
			line := fmt.Sprintf("%d %s", supervisor, v.name)
			for _, pids := range [][]int{
				{supervisor}, {l.pid}, {descendants(supervisor)[0]}, descendants(supervisor)[1:2], {supervisor, l.pid}, nil,
			} {
				out, _ := reseed(t, who, 0, pids...)
				if n := strings.Count("\n"+out, "\n"+line); n != 1 || len(pids) > 0 && strings.Count(out, "\n") != 1 {
					t.Errorf("for %v it printed %q, not %q", pids, out, line)
				}
				want := last + 2*uint64(max(len(pids), 1))
				for last < want { // two at once may be seen as one
					last = l.change(t)
				}
				if last != want {
					t.Errorf("%v changed it to %d, not %d", pids, last, want)
				}
			}
		})
	}
}

// TestReseedFromInside: a program of the tree asks.
func TestReseedFromInside(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		p := program{user: who}
		o := p.run(t, underReflect(nil, "/bin/sh", "-c", "echo $$; "+reflectBinary+" reseed $$ && "+reflectBinary+" reseed 2>/dev/null; true"))
		words := strings.Fields(o.stdout)
		if o.status != 0 || o.stderr != "" || len(words) < 5 || words[2] != "sh" || strings.Count(o.stdout, words[1]+" sh\n") != 2 {
			t.Errorf("%s: %q %q", describe(o.status), o.stdout, o.stderr)
		}
	})
}

// TestReseedDaemon: the program has ended, reflect too; what it left in the background
// is served by a successor, which can't write the control page.
func TestReseedDaemon(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		p := program{user: who}
		dir := workDir(t, who)
		file := filepath.Join(dir, "changes")
		cmd := p.command(t.Context(), dir, underReflect(noTicks, "/bin/sh", "-c",
			victim(t, "generation.c", "glibc")+" follow > "+file+" 2>&1 < /dev/null &"))
		began := time.Now()
		must(t, cmd.Run())
		if took := time.Since(began); took > 2*time.Second { // what it left behind is silent
			t.Errorf("reflect ended %v after the program", took)
		}
		lines := func() []string {
			b, _ := os.ReadFile(file)
			return strings.Fields(strings.TrimPrefix(string(b), "ready "))
		}
		eventually(t, 5*time.Second, "the first change", func() bool { return len(lines()) == 2 })
		pid, err := strconv.Atoi(lines()[0])
		must(t, err)
		defer syscall.Kill(pid, syscall.SIGKILL)
		last, err := strconv.ParseUint(lines()[1], 10, 64)
		must(t, err)

		out, _ := reseed(t, who, 0, pid)
		successor, name, _ := strings.Cut(out, " ")
		line, err := os.ReadFile("/proc/" + successor + "/cmdline")
		if err != nil || !strings.Contains(string(line), "__serve-on") || name != "generation-glib\n" {
			t.Errorf("it printed %q; the command of that is %q, %v", out, line, err)
		}
		other, err := strconv.Atoi(successor)
		must(t, err)
		reseed(t, who, 0, other)
		reseed(t, who, 0)
		eventually(t, 5*time.Second, "three changes", func() bool {
			l := lines() // once: it grows
			return l[len(l)-1] == fmt.Sprint(last+6)
		})
		must(t, syscall.Kill(pid, syscall.SIGKILL))
		eventually(t, 5*time.Second, "the successor gone", func() bool { return !alive(other) })
		reseed(t, who, 1, other)
	})
}

// TestReseedRefused asks for what is another user's, and for what there is not.
func TestReseedRefused(t *testing.T) {
	needRoot(t)
	root := account{}
	follow := victim(t, "generation.c", "glibc")
	ours := program{}.start(t, underReflect(noTicks, follow, "follow"))
	theirs := program{user: nobody}.start(t, underReflect(noTicks, follow, "follow"))
	before, last := ours.change(t), theirs.change(t)
	for _, pid := range []int{ours.pid, ours.cmd.Process.Pid, descendants(ours.cmd.Process.Pid)[0]} {
		out, errs := reseed(t, nobody, 1, pid)
		if out != "" || !strings.HasPrefix(errs, fmt.Sprintf("reflect: error: process %d is ", pid)) || !strings.Contains(errs, "of another user or group: ") {
			t.Errorf("nobody was told %q %q", out, errs)
		}
	}
	out, errs := reseed(t, nobody, 1, ours.pid, theirs.pid)
	if !strings.HasPrefix(out, fmt.Sprint(theirs.cmd.Process.Pid)) || strings.Count(errs, "\n") != 1 {
		t.Errorf("one of two: %q %q", out, errs)
	}
	out, _ = reseed(t, nobody, 0)
	if strings.Contains("\n"+out, fmt.Sprintf("\n%d ", ours.cmd.Process.Pid)) {
		t.Errorf("all of nobody's: %q", out)
	}
	reseed(t, root, 0, theirs.pid)
	for want := last + 2; want <= last+6; want += 2 {
		if next := theirs.change(t); next != want {
			t.Errorf("%d, not %d", next, want)
		}
	}
	reseed(t, root, 0, ours.pid)
	if next := ours.change(t); next != before+2 {
		t.Errorf("nobody's requests changed ours from %d to %d", before, next-2)
	}
	for pid, want := range map[int]string{
		os.Getpid(): "does not run under reflect", 1 << 30: "no such process",
	} {
		if _, errs := reseed(t, root, 1, pid); !strings.Contains(errs, want) {
			t.Errorf("for %d it said %q", pid, errs)
		}
	}
}

// TestReseedNothing: no tree is there.
func TestReseedNothing(t *testing.T) {
	need(t, "unshare", "util-linux")
	asEach(t, func(t *testing.T, who account) {
		p := program{user: who}
		o := p.run(t, []string{"/usr/bin/unshare", "-Urpf", "--mount-proc", reflectBinary, "reseed"})
		if describe(o.status) != "status 1" || o.stdout != "" || o.stderr != "reflect: error: nothing runs under reflect\n" {
			t.Errorf("%s: %q %q", describe(o.status), o.stdout, o.stderr)
		}
	})
}

// TestReseedStopped: a guardian that does not answer is told of; what others send to
// it changes nothing.
func TestReseedStopped(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		l := program{user: who}.start(t, underReflect(noTicks, victim(t, "generation.c", "glibc"), "follow"))
		last := l.change(t)
		guardian := descendants(l.cmd.Process.Pid)[0]
		for _, s := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGURG, 40, 64} {
			must(t, syscall.Kill(guardian, s))
		}
		time.Sleep(50 * time.Millisecond)
		must(t, syscall.Kill(guardian, syscall.SIGSTOP))
		if out, errs := reseed(t, who, 1, l.pid); out != "" || !strings.Contains(errs, "does not answer; is it stopped?") {
			t.Errorf("%q %q", out, errs)
		}
		must(t, syscall.Kill(guardian, syscall.SIGCONT))
		if next := l.change(t); next != last+2 {
			t.Errorf("from %d to %d", last, next)
		}
		time.Sleep(50 * time.Millisecond)
		must(t, syscall.Kill(l.pid, syscall.SIGKILL))
		if o := l.end(t); o.stdout != "" {
			t.Errorf("and further to %s", o.stdout)
		}
	})
}
