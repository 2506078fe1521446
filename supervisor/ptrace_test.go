package supervisor_test

import (
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/supervisor"
)

// tracing is a plan by which getppid is 7, as told by a tracer.
func tracing(t *testing.T, m policy.Mechanism) *policy.Plan {
	t.Helper()
	plan, err := policy.New().ReflectBy(m, "getppid", policy.Action{Kind: policy.Return, Value: 7}).Plan()
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// TestTracersBesideOtherChildren runs several traced programs at once, in a process
// that has children of its own on all of its threads: each gets what is its own.
func TestTracersBesideOtherChildren(t *testing.T) {
	var wg sync.WaitGroup
	for _, m := range []policy.Mechanism{policy.Ptrace, policy.PtraceAll} {
		plan := tracing(t, m)
		for n := range 8 {
			wg.Go(func() {
				for i := range 10 {
					code := 10*n + i
					script := fmt.Sprintf("(sleep 0.01; echo $PPID $(sh -c 'echo $PPID')); exit %d", code)
					var out strings.Builder
					cmd := supervisor.Command(plan, "sh", "-c", script)
					cmd.Stdout = &out
					if err := cmd.Run(); cmd.State == nil {
						t.Error(err)
						return
					}
					if got := cmd.State.ExitCode(); got != code || out.String() != "7 7\n" {
						t.Errorf("%v: a program ended with %d and %q, want %d", m, got, out.String(), code)
					}
				}
			})
			wg.Go(func() {
				for i := range 30 {
					child := exec.Command("sh", "-c", fmt.Sprintf("exit %d", i))
					err := child.Run()
					if child.ProcessState == nil || child.ProcessState.ExitCode() != i {
						t.Errorf("a child of the host program ended with %v, want status %d", err, i)
					}
				}
			})
		}
	}
	wg.Wait()
}

// TestTracerCounts: what a tracer served is counted as its own.
func TestTracerCounts(t *testing.T) {
	for _, m := range []policy.Mechanism{policy.Ptrace, policy.PtraceAll} {
		cmd := supervisor.Command(tracing(t, m), "sh", "-c", "for i in 1 2 3; do sh -c 'exit $PPID'; test $? = 7 || exit 1; done")
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v: %v", m, err)
		}
		c := cmd.Counters()
		if len(c.Calls) != 1 || c.Calls[0].Mechanism != m.String() || c.Calls[0].Implementation != "return: 7" || c.Calls[0].Count != 4 {
			t.Errorf("%v: %+v", m, c.Calls)
		}
		if c.Programs != 4 || c.Execs != 4 || len(c.Missed) != 0 {
			t.Errorf("%v: %d programs, %d execs, missed %+v", m, c.Programs, c.Execs, c.Missed)
		}
	}
}

// TestTracedProgramIsKilled: Kill ends all that is traced, stopped processes too.
func TestTracedProgramIsKilled(t *testing.T) {
	for _, m := range []policy.Mechanism{policy.Ptrace, policy.PtraceAll} {
		cmd := supervisor.Command(tracing(t, m), "sh", "-c", "sleep 60 & sleep 60 & kill -STOP $!; echo; wait")
		out, in := io.Pipe()
		cmd.Stdout = in
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Kill(); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Errorf("%v: it ended by itself", m)
		}
	}
}
