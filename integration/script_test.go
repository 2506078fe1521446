package integration

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// TestCommandLine runs testdata/*.txtar: what a user types, and what they get.
func TestCommandLine(t *testing.T) {
	bin := filepath.Join(scratch, "bin")
	must(t, os.MkdirAll(bin, 0o755))
	binary, err := filepath.Abs(reflectBinary)
	must(t, err)
	if err := os.Symlink(binary, filepath.Join(bin, "reflect")); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", bin+":"+e.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"dies":  dies,
			"json":  isJSON,
		},
		RequireExplicitExec: true,
	})
}

// exits runs a command that must end with a status: exits STATUS COMMAND...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits status command...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := waitStatus(ts, args[1:]); !got.Exited() || got.ExitStatus() != want {
		ts.Fatalf("wait status %#x, want exit status %d", got, want)
	}
}

// dies runs a command that must die of a signal: dies SIGTERM COMMAND...
func dies(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: dies signal command...")
	}
	want := unix.SignalNum(args[0])
	if got := waitStatus(ts, args[1:]); want == 0 || !got.Signaled() || got.Signal() != want {
		ts.Fatalf("wait status %#x, want %s", got, args[0])
	}
}

func waitStatus(ts *testscript.TestScript, args []string) syscall.WaitStatus {
	err := ts.Exec(args[0], args[1:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.Sys().(syscall.WaitStatus)
	}
	ts.Check(err)
	return 0
}

// isJSON checks that a file, or stdout or stderr, is one JSON value, and that its
// object has the given fields: json FILE [FIELD]...
func isJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: json file [field]...")
	}
	var v map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &v))
	for _, field := range args[1:] {
		if _, ok := v[field]; !ok {
			ts.Fatalf("%s has no field %q", args[0], field)
		}
	}
}
