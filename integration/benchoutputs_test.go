package integration

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sysreflect/sysreflect/experiment/results"
)

// TestBenchOutputs: bad input is one error that leaves files as they were; what was measured before something
// failed is written all the same.
func TestBenchOutputs(t *testing.T) {
	dir := t.TempDir()
	old, none := filepath.Join(dir, "old.json"), filepath.Join(dir, "none.json")
	for _, test := range []struct{ line, want string }{
		{"bench -m nonsense --json FILE", `unknown mechanism "nonsense"`},
		{"bench --threads 300 --json FILE", "at most 256"},
		{"bench spawn --threads 4 --json FILE", "one thread only"},
		{"bench null --json FILE --html FILE", "another form"},
		{"bench null --json - --go -", "another form"},
		{"bench workload -n 2 --json FILE -- /nonexistent", "no such file"},
		{"bench workload -n 2 --json FILE -p nope -- true", `unknown preset "nope"`},
		{"bench workload -n 2 --json FILE -L n=1 -- true", "stands nowhere"},
		{"bench all-calls --only nix --json FILE", `nothing is called "nix"`},
	} {
		for _, file := range []string{old, none} {
			must(t, os.WriteFile(old, []byte("kept"), 0o644))
			argv := append([]string{reflectBinary}, strings.Fields(strings.ReplaceAll(test.line, "FILE", file))...)
			o := (&program{argv: argv}).run(t, argv)
			if describe(o.status) != "status 125" || !strings.Contains(o.stderr, test.want) || o.stdout != "" {
				t.Errorf("%s: %s\n%s%s", test.line, describe(o.status), o.stdout, o.stderr)
			}
			if b, err := os.ReadFile(old); string(b) != "kept" {
				t.Errorf("%s: the file has %q now, %v", test.line, b, err)
			}
			if _, err := os.Lstat(none); err == nil {
				t.Errorf("%s: leaves an empty file", test.line)
				os.Remove(none)
			}
		}
	}

	part := filepath.Join(dir, "part.json")
	argv := []string{reflectBinary, "bench", "workload", "-n", "2", "-w", "0", "-m", "patch", "-S", "-L", "n=0,1", "--json", part, "--", "exit {n}"}
	o := (&program{argv: argv}).run(t, argv)
	f, err := os.Open(part)
	must(t, err)
	defer f.Close()
	run, err := results.ReadJSON(f)
	must(t, err)
	if describe(o.status) != "status 125" || !strings.Contains(o.stderr, "exit status 1") || !strings.Contains(o.stdout, "exit {n}, n 0") || len(run.Figures) == 0 {
		t.Errorf("%s, %d figures\n%s%s", describe(o.status), len(run.Figures), o.stdout, o.stderr)
	}
	argv = []string{reflectBinary, "bench", "null", "-m", "patch", "--time", "0.5", "--json", "/dev/full"}
	o = (&program{argv: argv}).run(t, argv)
	if describe(o.status) != "status 125" || !strings.Contains(o.stdout, "null call") || !strings.Contains(o.stderr, "no space left") {
		t.Errorf("%s\n%s%s", describe(o.status), o.stdout, o.stderr)
	}
	argv = []string{reflectBinary, "bench", "null", "-m", "patch", "--time", "0.5", "--check", "--json", "-"}
	o = (&program{argv: argv}).run(t, argv)
	if !json.Valid([]byte(o.stdout)) || !strings.Contains(o.stderr, "check: ") {
		t.Errorf("%s\n%s%s", describe(o.status), o.stdout[max(0, len(o.stdout)-300):], o.stderr)
	}
	argv = []string{reflectBinary, "bench", "compare", part, part}
	if o = (&program{argv: argv}).run(t, argv); o.status != 0 {
		t.Errorf("%s\n%s", describe(o.status), o.stderr)
	}
}

// TestBenchSetupEnds: what a line starts ends with the run, though reflect alone is told to.
func TestBenchSetupEnds(t *testing.T) {
	for _, flag := range []string{"--setup", "--prepare"} {
		file := filepath.Join(t.TempDir(), "pid")
		cmd := exec.Command(reflectBinary, "bench", "workload", flag, "sh -c 'echo $$ >"+file+"; sleep 1000; true'; true", "--", "true")
		must(t, cmd.Start())
		child := 0
		eventually(t, 10*time.Second, "the line begins", func() bool {
			b, _ := os.ReadFile(file)
			child, _ = strconv.Atoi(strings.TrimSpace(string(b)))
			return child > 0
		})
		must(t, cmd.Process.Signal(syscall.SIGINT))
		cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != 128+int(syscall.SIGINT) {
			t.Errorf("%s: status %d", flag, got)
		}
		eventually(t, 10*time.Second, "the line's child ends", func() bool { return !alive(child) })
	}
}
