package integration

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

var procFile = regexp.MustCompile(`^/proc/\d+/`)

// A usage is what a process holds.
type usage struct {
	descriptors, threads, zombies int
	memory                        int // kB
}

func usageOf(t *testing.T, pid int) usage {
	t.Helper()
	var u usage
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	must(t, err)
	u.descriptors = len(fds)
	// With its first timer a Go program gets a poller: one of each, for good, beside the
	// starter's event.
	// And of the process that was patched last memory and mappings are kept open.
	may := map[string]int{"anon_inode:[eventpoll]": 1, "anon_inode:[eventfd]": 2, "/proc/N/mem": 1, "/proc/N/maps": 1}
	for _, fd := range fds {
		link, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd.Name()))
		if link = procFile.ReplaceAllString(link, "/proc/N/"); may[link] > 0 {
			may[link]--
			u.descriptors--
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	for l := range strings.Lines(string(status)) {
		fmt.Sscanf(l, "Threads: %d", &u.threads)
		fmt.Sscanf(l, "VmRSS: %d kB", &u.memory)
	}
	for _, child := range descendants(pid) {
		if !alive(child) {
			u.zombies++
		}
	}
	return u
}

// leaks fails the test where a process holds more than before. A Go program keeps
// the threads that it once had, so those are only bounded.
func leaks(t *testing.T, what string, before, after usage) {
	t.Helper()
	t.Logf("%s: before %+v, after %+v", what, before, after)
	if after.descriptors > before.descriptors {
		t.Errorf("%s: %d descriptors, before %d", what, after.descriptors, before.descriptors)
	}
	if after.zombies > before.zombies {
		t.Errorf("%s: %d zombies, before %d", what, after.zombies, before.zombies)
	}
	if after.threads > 70 {
		t.Errorf("%s: %d threads", what, after.threads)
	}
	room := 20 << 10
	if os.Getenv("GORACE") != "" {
		room *= 5 // the race detector shadows what is allocated
	}
	if after.memory > before.memory+room {
		t.Errorf("%s: %d kB, before %d", what, after.memory, before.memory)
	}
}

// crowded runs `crowd` under reflect, and looks at reflect and its guardian before
// and after.
func crowded(t *testing.T, who account, want string, args ...string) {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	defer w.Close()
	p := program{user: who, timeout: 2 * time.Minute, alter: func(cmd *exec.Cmd) { cmd.ExtraFiles = []*os.File{r} }}
	// The shell says when it is there, before the crowd.
	script := `echo ready; read line <&3; exec "$0" "$@"`
	argv := underReflect(nil, append([]string{"/bin/sh", "-c", script, victim(t, "crowd.c", "glibc")}, args...)...)
	l := p.start(t, argv)
	r.Close()
	reflect := l.cmd.Process.Pid
	guardian := descendants(reflect)[0]
	// The guardian opens what it watches 100 ms after the start.
	time.Sleep(300 * time.Millisecond)
	before, guarded := usageOf(t, reflect), usageOf(t, guardian)
	began := time.Now()
	fmt.Fprintln(w)
	var out strings.Builder
	for {
		line, err := l.out.ReadString('\n')
		out.WriteString(line)
		if line == "done\n" {
			break
		}
		if err != nil {
			o := l.end(t)
			t.Fatalf("%v after %q; %s %q", err, out.String(), describe(o.status), o.stderr)
		}
	}
	t.Logf("took %v", time.Since(began))
	if got := strings.TrimSuffix(out.String(), "died 0\ndone\n"); got != want {
		t.Errorf("it said %q, want %q", out.String(), want)
	}
	time.Sleep(200 * time.Millisecond)
	leaks(t, "reflect", before, usageOf(t, reflect))
	leaks(t, "guardian", guarded, usageOf(t, guardian))
	fmt.Fprintln(w)
	if o := l.end(t); o.status != 0 || o.stderr != "" {
		t.Errorf("%s %q", describe(o.status), o.stderr)
	}
}

// TestThousandProcesses has 1000 processes at once, each executed and each with
// calls to be served.
func TestThousandProcesses(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		crowded(t, who, "started 1000, ready 1000\nstatus 6: 1000\n", "at-once", "1000", victim(t, "crowd.c", "musl-static"), "wait")
	})
}

// TestTenThousandExecs executes a small program 10,000 times in a row.
func TestTenThousandExecs(t *testing.T) {
	n := 10000
	if testing.Short() {
		n = 1000
	}
	crowded(t, accounts()[0], fmt.Sprintf("status 31: %d\n", n), "in-a-row", fmt.Sprint(n), victim(t, "bare.c", "bare"))
}

// TestHammer has 64 threads make calls as fast as they can: the counters know of
// each one.
func TestHammer(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		for _, s := range []struct {
			way, mechanism string
			calls          int
		}{
			{"raw", "notify", 500}, {"raw", "patch", 20000}, {"vdso", "vdso", 20000},
		} {
			t.Run(s.mechanism, func(t *testing.T) {
				p := program{argv: []string{victim(t, "hammer.c", "glibc"), "64", fmt.Sprint(s.calls), s.way}, user: who}
				if s.mechanism != "vdso" {
					p.flags = []string{"-m", s.mechanism}
				}
				p.works(t, fmt.Sprintf("whole %d repeated 0", 64*s.calls))
				c, o := p.count(t)
				if o.status != 0 {
					t.Errorf("%s %q", describe(o.status), o.stderr)
				}
				c.reachedAll(t)
				// malloc of the C library and what the vDSO's call falls back
				// to are notified besides.
				n, failed := c.of("getrandom", s.mechanism)
				if s.mechanism == "patch" {
					n = c.calls("getrandom") // each thread's first two are notified
				}
				if want := uint64(64 * s.calls); n < want || n > want+100 || failed != 0 {
					t.Errorf("%d getrandom calls and %d errors were counted, want %d", n, failed, want)
				}
			})
		}
	})
}
