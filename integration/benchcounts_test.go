package integration

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sysreflect/sysreflect/supervisor"
)

// TestCountsAgreeWithPerf holds the number of each reflected call against what `perf
// trace` counts of the same program natively: it looks from the kernel's tracepoints,
// and knows nothing of seccomp, signals or tracers.
func TestCountsAgreeWithPerf(t *testing.T) {
	perf := need(t, "perf", "linux-perf")
	argv := []string{"/usr/bin/find", "/etc/ssl"}
	dir := t.TempDir()
	native := perfCounts(t, perf, filepath.Join(dir, "perf"), argv)
	if native == nil {
		return
	}
	for _, m := range usableMechanisms(t) {
		if m == "vdso" { // passes nothing through
			continue
		}
		report := filepath.Join(dir, m)
		cmd := exec.Command(reflectBinary, append([]string{"run", "-p", "all-calls", "-m", m, "--stats=json", "--stats-file=" + report, "--"}, argv...)...)
		cmd.Env = plainEnv(dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", m, err, out)
		}
		text, err := os.ReadFile(report)
		must(t, err)
		var counted supervisor.Counters
		must(t, json.Unmarshal(text, &counted))
		ours := map[string]uint64{}
		for _, k := range counted.Calls {
			ours[k.Call] += k.Count
		}
		comparable(ours)
		if !maps.Equal(ours, native) {
			t.Errorf("%s: reflected %v\nperf trace counts %v", m, ours, native)
		}
	}
}

// comparable leaves out what both can't have alike: perf trace sees an exec return that
// began before it looked, and no exit; the vDSO's functions are system calls under
// mechanisms that make them such.
func comparable(counts map[string]uint64) {
	for _, call := range []string{"execve", "exit_group", "clock_gettime", "gettimeofday", "time", "getcpu"} {
		delete(counts, call)
	}
}

// perfCounts has perf trace count a program's calls, until it says the same twice: on a
// busy machine it loses some. nil where it can't be used.
func perfCounts(t *testing.T, perf, file string, argv []string) map[string]uint64 {
	t.Helper()
	row := regexp.MustCompile(`(?m)^ +([a-z][a-z0-9_]*) +(\d+) `)
	var last map[string]uint64
	for range 20 {
		cmd := exec.Command(perf, append([]string{"trace", "-s", "-o", file, "--"}, argv...)...)
		cmd.Env = plainEnv(t.TempDir())
		out, err := cmd.CombinedOutput()
		text, _ := os.ReadFile(file)
		if err != nil || !strings.Contains(string(text), "Summary of events") {
			if os.Geteuid() == 0 && tracepoints() {
				t.Fatalf("perf trace: %v\n%s%s", err, out, text)
			}
			t.Logf("perf trace can't be used here: %v: %s", err, out)
			return nil
		}
		counts := map[string]uint64{}
		for _, m := range row.FindAllStringSubmatch(string(text), -1) {
			n, err := strconv.ParseUint(m[2], 10, 64)
			must(t, err)
			counts[m[1]] += n
		}
		comparable(counts)
		if len(counts) > 5 && maps.Equal(counts, last) {
			return counts
		}
		last = counts
	}
	t.Fatalf("perf trace never said the same twice, at last %v", last)
	return nil
}

// tracepoints reports whether the kernel has those that perf trace looks from.
func tracepoints() bool {
	for _, dir := range []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"} {
		if _, err := os.Stat(dir + "/events/raw_syscalls/sys_enter"); err == nil {
			return true
		}
	}
	return false
}
