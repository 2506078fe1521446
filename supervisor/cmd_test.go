package supervisor_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/supervisor"
)

func load(t *testing.T, sources ...string) *policy.Plan {
	t.Helper()
	plan, err := policy.Load(sources...)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestRunReportsHowTheProgramEnded(t *testing.T) {
	for _, c := range []struct {
		script string
		code   int
		text   string
	}{
		{"exit 0", 0, ""},
		{"exit 3", 3, "exit status 3"},
		{"exit 255", 255, "exit status 255"},
		{"kill -KILL $$", 137, "signal: killed"},
		{"kill -TERM $$", 143, "signal: terminated"},
	} {
		cmd := supervisor.Command(load(t), "sh", "-c", c.script)
		err := cmd.Run()
		if (err == nil) != (c.text == "") || err != nil && err.Error() != c.text {
			t.Errorf("%s: error %v, want %q", c.script, err, c.text)
		}
		if got := cmd.State.ExitCode(); got != c.code {
			t.Errorf("%s: exit code %d, want %d", c.script, got, c.code)
		}
	}
}

func TestStartSaysWhyAProgramCanNotBeExecuted(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		path string
		want error
	}{
		{filepath.Join(dir, "missing"), unix.ENOENT},
		{"surely-no-such-program", exec.ErrNotFound},
		{dir, unix.EACCES},
		{write("plain", "text", 0o644), unix.EACCES},
		{write("nonsense", "text", 0o755), unix.ENOEXEC},
		{write("script", "#!/no/such/interpreter\n", 0o755), unix.ENOENT},
	} {
		cmd := supervisor.Command(load(t), c.path)
		err := cmd.Start()
		var failed *supervisor.ExecError
		if !errors.As(err, &failed) || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want an ExecError of %v", c.path, err, c.want)
		}
	}
}

func TestInputAndOutputAreCopied(t *testing.T) {
	var out, errs bytes.Buffer
	cmd := supervisor.Command(load(t), "sh", "-c", "cat; echo problem >&2")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("hello\n"), &out, &errs
	cmd.Env, cmd.Dir = []string{"PATH=" + os.Getenv("PATH")}, "/"
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if out.String() != "hello\n" || errs.String() != "problem\n" {
		t.Errorf("stdout %q, stderr %q", &out, &errs)
	}
}

func TestCallsOfTheHandoffCanBeRefused(t *testing.T) {
	for _, call := range policy.HandoffCalls {
		for _, action := range []policy.Action{{Kind: policy.Deny}, {Kind: policy.Errno, Errno: int(unix.ENOSYS)}} {
			plan, err := policy.New().Reflect(call, action).Plan()
			if err != nil {
				t.Fatal(err)
			}
			cmd := supervisor.Command(plan, "sh", "-c", ":")
			if err := cmd.Start(); err != nil {
				t.Errorf("%s: %v", call, err)
				continue
			}
			// How the program takes it is its own affair; that it ends is ours.
			cmd.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			if err := cmd.WaitTree(ctx); err != nil {
				t.Errorf("%s: the program hangs", call)
				cmd.Kill()
			}
			cancel()
			if n := cmd.Counters(); n.Programs == 0 {
				t.Errorf("%s: not handed off: %+v", call, n.Missed)
			}
		}
	}
}

func TestKillReachesWhatIsLeft(t *testing.T) {
	cmd := supervisor.Command(load(t), "sh", "-c", "setsid sh -c 'sleep 1000 & sleep 1000' & exit 0")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if !cmd.Left() {
		t.Fatal("nothing is left behind")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := cmd.WaitTree(ctx); err == nil {
		t.Fatal("the tree ended by itself")
	}
	if err := cmd.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.WaitTree(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestNothingLeaks(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	run := func() {
		cmd := supervisor.Command(load(t), "sh", "-c", "/bin/true; /bin/true")
		cmd.Stats = true
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.WaitTree(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	run()
	before := count()
	for range 20 {
		run()
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors before 20 runs, %d after", before, after)
	}
	var ws unix.WaitStatus
	if pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("a child is left: %d, %v", pid, err)
	}
}

func TestCountersOfWhatTheShimServes(t *testing.T) {
	cmd := supervisor.Command(load(t), "perl", "-e", "use Time::HiRes 'clock_gettime'; clock_gettime(1) for 1..1000")
	cmd.Stats = true
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	for _, c := range cmd.Counters().Calls {
		if c.Call == "clock_gettime" && c.Mechanism == "vdso" && c.Count >= 1000 {
			return
		}
	}
	t.Errorf("1000 calls of clock_gettime are missing: %+v", cmd.Counters())
}
