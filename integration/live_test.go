package integration

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A live is a program that runs while a test does something to it.
type live struct {
	cmd  *exec.Cmd
	pid  int // of the program itself, which said "ready PID"
	out  *bufio.Reader
	errs strings.Builder
	mu   sync.Mutex
	done chan struct{} // its standard error was read to the end
}

// start runs argv, of p, and waits until it is ready.
func (p program) start(t *testing.T, argv []string) *live {
	t.Helper()
	dir := workDir(t, p.user)
	if p.prepare != nil {
		p.prepare(t, dir)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	l := &live{cmd: p.command(ctx, dir, argv), done: make(chan struct{})}
	l.cmd.WaitDelay = 5 * time.Second
	stdout, err := l.cmd.StdoutPipe()
	must(t, err)
	stderr, err := l.cmd.StderrPipe()
	must(t, err)
	must(t, l.cmd.Start())
	t.Cleanup(func() {
		cancel()
		l.cmd.Process.Kill()
		l.cmd.Wait()
	})
	go func() {
		defer close(l.done)
		b := make([]byte, 4096)
		for {
			n, err := stderr.Read(b)
			l.mu.Lock()
			l.errs.Write(b[:n])
			l.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	l.out = bufio.NewReader(stdout)
	line, err := l.out.ReadString('\n')
	word := strings.Fields(line)
	if err != nil || len(word) < 1 || word[0] != "ready" {
		t.Fatalf("%q said %q, %v; standard error: %s", argv, line, err, l.stderr())
	}
	if len(word) > 1 {
		l.pid, _ = strconv.Atoi(word[1])
	}
	return l
}

func (l *live) stderr() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.errs.String()
}

// end waits for the end of a program, and returns the rest of its output.
func (l *live) end(t *testing.T) outcome {
	t.Helper()
	rest, err := io.ReadAll(l.out)
	if err != nil && !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	<-l.done
	err = l.cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Error(err)
	}
	return outcome{stdout: string(rest), stderr: l.stderr(), status: l.cmd.ProcessState.Sys().(syscall.WaitStatus)}
}

// descendants lists the processes below one, by /proc.
func descendants(pid int) []int {
	var all []int
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, task := range tasks {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		for _, f := range strings.Fields(string(b)) {
			child, _ := strconv.Atoi(f)
			all = append(all, child)
			all = append(all, descendants(child)...)
		}
	}
	return all
}

// alive reports whether a process is there and no zombie.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, ok := strings.Cut(string(b), ") ")
	return ok && rest[0] != 'Z' && rest[0] != 'X'
}

// eventually waits until a condition holds.
func eventually(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", limit, what)
		}
	}
}
