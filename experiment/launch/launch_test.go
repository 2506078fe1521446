package launch

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// run launches a shell script with nothing to read, whose output goes nowhere.
func run(t *testing.T, args ...string) (Result, error) {
	t.Helper()
	return runFor(t, context.Background(), args...)
}

func runFor(t *testing.T, ctx context.Context, args ...string) (Result, error) {
	t.Helper()
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	return l.Run(ctx, &Program{Path: args[0], Args: args, Env: os.Environ(), Stdin: null, Stdout: null, Stderr: os.Stderr})
}

func TestResult(t *testing.T) {
	r, err := run(t, "/bin/sh", "-c", "sleep 0.2; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	if r.Status.ExitStatus() != 3 || r.Wall < 200*time.Millisecond || r.CPU() > r.Wall || r.Left != 0 {
		t.Errorf("%+v", r)
	}
	if r.Memory < 100<<10 || r.Memory > 8<<20 {
		t.Errorf("a shell had %d bytes resident: the launcher's or this test's memory is counted", r.Memory)
	}
	r, err = run(t, "/bin/sh", "-c", "kill -9 $$")
	if err != nil || !r.Status.Signaled() || r.Status.Signal() != unix.SIGKILL {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err = run(t, "/nonexistent"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("no such program: %v", err)
	}
}

// The first process's own time is known apart from that of its children.
func TestOwn(t *testing.T) {
	const loop = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"
	r, err := run(t, "/bin/sh", "-c", "("+loop+"); true")
	if err != nil {
		t.Fatal(err)
	}
	if r.CPU() < 10*time.Millisecond || r.Own > r.CPU()/4 {
		t.Errorf("own %v of %v, though a child did the work", r.Own, r.CPU())
	}
	if r, err = run(t, "/bin/sh", "-c", loop); err != nil {
		t.Fatal(err)
	}
	// The two are accounted alike (cputime_adjust), in microseconds and nanoseconds.
	if d := r.CPU() - r.Own; d < -100*time.Microsecond || d > 100*time.Microsecond {
		t.Errorf("own %v of %v, though it had no child", r.Own, r.CPU())
	}
}

// What a program leaves behind is neither timed nor left.
func TestLeft(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	r, err := run(t, "/bin/sh", "-c", "sleep 1000 & echo $! >"+file)
	if err != nil {
		t.Fatal(err)
	}
	if r.Left != 1 {
		t.Errorf("%d left, want 1", r.Left)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(pid, 0); err != unix.ESRCH {
		t.Errorf("kill %d: %v: it still runs", pid, err)
	}
}

// Signals are blocked for the launcher alone.
func TestMask(t *testing.T) {
	r, err := run(t, "/bin/sh", "-c", "kill -TERM $$; sleep 5")
	if err != nil || !r.Status.Signaled() || r.Status.Signal() != unix.SIGTERM {
		t.Errorf("%+v, %v", r, err)
	}
}

// A program that is to end does, though it does not want to, and so do its
// children.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	r, err := runFor(t, ctx, "/bin/sh", "-c", "sleep 1000")
	if err != nil || !r.Status.Signaled() || r.Status.Signal() != unix.SIGTERM || r.Wall > time.Second {
		t.Errorf("%+v, %v", r, err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	r, err = runFor(t, ctx, "/bin/sh", "-c", "trap '' TERM; sleep 1000; sleep 1000")
	if err != nil || !r.Status.Signaled() || r.Status.Signal() != unix.SIGKILL || r.Left != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// Both files do.
func TestFiles(t *testing.T) {
	for name, make := range map[string]func() (*os.File, error){"memory": inMemory, "temporary": inTemp} {
		file, err := make()
		if err != nil {
			t.Fatal(err)
		}
		l := &Launcher{file}
		if err := l.works(); err != nil {
			t.Errorf("%s file: %v", name, err)
		}
		l.Close()
	}
}

// Other compilers than the one that it was built with give other bytes.
func TestUpToDate(t *testing.T) {
	v, err := exec.Command("gcc", "-dumpversion").Output()
	if err != nil || strings.TrimSpace(string(v)) != "12" {
		t.Skipf("the committed launcher was built by gcc 12, here is %q, %v", v, err)
	}
	out := filepath.Join(t.TempDir(), "launch.elf")
	if b, err := exec.Command("./build.sh", out).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	built, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(built, elf) {
		t.Error("launch.elf is not what its source gives; run go generate")
	}
}

func TestDecode(t *testing.T) {
	for _, b := range [][]byte{nil, make([]byte, resultSize), make([]byte, 10)} {
		if _, err := decode(b, 0); err == nil {
			t.Errorf("%d bytes without magic are a result", len(b))
		}
	}
}
