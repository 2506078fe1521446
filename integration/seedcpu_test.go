package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// busy keeps all processors but one busy until the test ends.
func busy(t *testing.T) {
	t.Helper()
	for range max(runtime.NumCPU()-1, 1) {
		cmd := exec.Command("/bin/sh", "-c", "while :; do :; done")
		must(t, cmd.Start())
		t.Cleanup(func() {
			cmd.Process.Kill()
			cmd.Wait()
		})
	}
}

// TestSeedGo: a static Go program. What its runtime makes of AT_RANDOM, every
// thread by itself, depends on how many threads were there when the thread
// began, and how many it has started. On one processor that is chance only where
// the clock's tick ends a thread's turn while it hands the program's one P on.
func TestSeedGo(t *testing.T) {
	exe := victim(t, "goseeded", "go")
	asEach(t, func(t *testing.T, who account) {
		cryptographic := program{argv: []string{exe}, user: who, clean: func(s string) string {
			head, _, _ := strings.Cut(s, "math/rand ")
			return head
		}}
		cryptographic.reproducible(t)
		busy(t)
		p := program{argv: []string{exe}, user: who}
		most := func(seed string, runs, want int) string {
			count := map[string]int{}
			var usual string
			for i := range runs {
				out := p.seeded(t, seed, [][]string{nil, {"-m", "notify"}, {"-m", "vdso"}}[i%3]...)
				if count[out]++; count[out] > count[usual] {
					usual = out
				}
			}
			if count[usual] < want {
				for out := range count {
					if out != usual {
						t.Error(difference(usual, out))
					}
				}
				t.Errorf("%d of %d runs with seed %s are the same", count[usual], runs, seed)
			}
			return usual
		}
		first := strings.Split(most("42", 80, 75), "\n")
		for i, line := range strings.Split(most("43", 5, 3), "\n") {
			if line != "" && line == first[i] && !strings.HasPrefix(line, ".") {
				t.Errorf("the same with another seed: %s", line)
			}
		}
	})
}

// TestSeedCPUs: a program with a seed, and what it executes, is on one processor
// that it may use, and doesn't preempt itself.
func TestSeedCPUs(t *testing.T) {
	taskset, chrt := need(t, "taskset", "util-linux"), need(t, "chrt", "util-linux")
	all := filepath.Join(scratch, "all-cpus.yaml")
	must(t, os.WriteFile(all, []byte("version: 1\nrng: {cpus: all}\n"), 0o644))
	asEach(t, func(t *testing.T, who account) {
		for _, tc := range []struct {
			name   string
			before []string // runs reflect
			flags  []string
			cpus   int
			policy string // field 41 of /proc/PID/stat, proc(5)
		}{
			{"one", nil, []string{"--seed", "1"}, 1, "3"},
			{"all", nil, []string{"-p", "default", "-p", all, "--seed", "1"}, runtime.NumCPU(), "0"},
			{"no seed", nil, nil, runtime.NumCPU(), "0"},
			{"idle", []string{chrt, "--idle", "0"}, []string{"--seed", "1"}, 1, "5"},
			{"pinned", []string{taskset, "-c", aCPU(t)}, []string{"--seed", "1"}, 1, "3"},
		} {
			t.Run(tc.name, func(t *testing.T) {
				p := program{user: who, argv: append(tc.before, underReflect(tc.flags,
					"/bin/sh", "-c", `show() { cut -d" " -f41 /proc/self/stat; nproc; grep Cpus_allowed_list /proc/self/status; }; show; sh -c true; (show) & wait`)...)}
				o := p.run(t, p.argv)
				half := o.stdout[:len(o.stdout)/2]
				if !strings.HasPrefix(o.stdout, fmt.Sprintf("%s\n%d\n", tc.policy, tc.cpus)) || o.stdout != half+half {
					t.Errorf("%s: %s%s", describe(o.status), o.stdout, o.stderr)
				}
				if strings.Contains(o.stderr, " may ") {
					t.Error(o.stderr)
				}
				if tc.name == "pinned" && !strings.Contains(o.stdout, "\t"+aCPU(t)+"\n") {
					t.Errorf("not on CPU %s:\n%s", aCPU(t), o.stdout)
				}
			})
		}
	})
}

// aCPU is one that this process may use.
func aCPU(t *testing.T) string {
	t.Helper()
	var set unix.CPUSet
	must(t, unix.SchedGetaffinity(0, &set))
	for i := range 1024 {
		if set.IsSet(i) {
			return strconv.Itoa(i)
		}
	}
	t.Fatal("no CPU")
	return ""
}
