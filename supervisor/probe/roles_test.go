package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestMain: with PROBE_TEST_ROLE set, this binary is a program that probes, and
// prints its report, under whatever it was told to put on itself first.
func TestMain(m *testing.M) {
	if os.Getenv("PROBE_TEST_ROLE") == "" {
		os.Exit(m.Run())
	}
	for _, arg := range os.Args[1:] {
		key, value, _ := strings.Cut(arg, "=")
		switch key {
		case "forbid": // NR:ACTION,…
			forbid(value)
		case "listen":
			listen()
		case "ignore": // as a shell's child may find them
			signal.Ignore(unix.SIGCHLD, unix.SIGALRM, unix.SIGSYS, unix.SIGILL)
		case "close":
			unix.Close(0)
			unix.Close(2)
		}
	}
	r := Run(context.Background())
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

type rule struct{ nr, action uint32 }

// forbid puts all threads under a filter.
func forbid(list string) {
	var rules []rule
	for _, item := range strings.Split(list, ",") {
		nr, action, _ := strings.Cut(item, ":")
		n, _ := strconv.ParseUint(nr, 0, 32)
		a, _ := strconv.ParseUint(action, 0, 32)
		rules = append(rules, rule{uint32(n), uint32(a)})
	}
	install(rules, unix.SECCOMP_FILTER_FLAG_TSYNC)
}

// listen puts all threads under a listener, for a call that nobody makes.
func listen() {
	install([]rule{{unix.SYS_ACCT, unix.SECCOMP_RET_USER_NOTIF}},
		unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|unix.SECCOMP_FILTER_FLAG_TSYNC|unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH)
}

func install(rules []rule, flags uintptr) {
	code := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}}
	for _, r := range rules {
		code = append(code, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: r.nr},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: r.action})
	}
	code = append(code, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	runtime.LockOSThread() // no_new_privs is a thread's, until the filter takes it along
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog))); errno != 0 {
		panic(errno)
	}
}

// probed runs this binary as a program that probes. It is copied to where any
// user can execute it.
func probed(t *testing.T, attr *syscall.SysProcAttr, args ...string) Report {
	t.Helper()
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "probe-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	exe := dir + "/prober"
	if err := os.WriteFile(exe, b, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), "PROBE_TEST_ROLE=report")
	cmd.Dir = "/"
	cmd.SysProcAttr = attr
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	var r Report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	return r
}
