package probe

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/vdsoshim"
)

// optional features depend on more than the kernel's version, and a test can't
// demand them; what they say is checked where it can be known otherwise.
var optional = map[string]func(t *testing.T, r *Report, f Feature){
	"second_listener": func(t *testing.T, r *Report, f Feature) {
		if f.Status != No || f.Errno != "EBUSY" {
			t.Errorf("second_listener: %+v", f)
		}
	},
	"rdpid":    cpuFlag("rdpid"),
	"fsgsbase": cpuFlag("fsgsbase"),
	"cgroup_kill": func(t *testing.T, r *Report, f Feature) {
		if dir, err := ownCgroup(); err == nil && r.Process.UID == 0 && unix.Access(dir, unix.W_OK) == nil && f.Status != Yes {
			t.Errorf("cgroup_kill: %+v", f)
		}
	},
	"proc_mem_force":        conclusive, // CONFIG_PROC_MEM_*, proc_mem.force_override=
	"proc_mem_force_traced": conclusive,
	"ptrace_other":          conclusive, // Yama
	"vdso_clock": func(t *testing.T, r *Report, f Feature) {
		if r.Process.Clock == "tsc" && f.Status != Yes {
			t.Errorf("vdso_clock with the tsc: %+v", f)
		}
	},
}

func cpuFlag(name string) func(*testing.T, *Report, Feature) {
	return func(t *testing.T, r *Report, f Feature) {
		info, _ := os.ReadFile("/proc/cpuinfo")
		want := No
		if slices.Contains(strings.Fields(string(info)), name) {
			want = Yes
		}
		if f.Status != want {
			t.Errorf("%s: %v, /proc/cpuinfo says %v", name, f.Status, want)
		}
	}
}

func conclusive(t *testing.T, r *Report, f Feature) {
	if f.Status == Unknown || f.Status == No && f.Why == "" {
		t.Errorf("%s: %+v", f.Name, f)
	}
}

// demand fails for every feature that the kernel's version promises and that is
// not there.
func demand(t *testing.T, r *Report) {
	t.Helper()
	if len(r.Features) != len(trials()) {
		t.Errorf("%d features of %d", len(r.Features), len(trials()))
	}
	for _, f := range r.Features {
		if check := optional[f.Name]; check != nil {
			check(t, r, f)
			continue
		}
		want := Yes
		if !atLeast(r.Kernel, f.Since) {
			want = No
		}
		if f.Status != want {
			t.Errorf("%s: %v on Linux %s, want %v (since %s): %s", f.Name, f.Status, r.Kernel, want, f.Since, f.Why)
		}
		if (f.Err() == nil) != (f.Status == Yes) {
			t.Errorf("%s: %v has the error %v", f.Name, f.Status, f.Err())
		}
	}
	for _, c := range r.Calls {
		if c.Forbidden || c.Answer != c.Expected {
			t.Errorf("%s is said to be forbidden: %+v", c.Name, c)
		}
	}
	for _, m := range r.Mechanisms {
		if m.Kernel != Yes || m.Usable != m.Available {
			t.Errorf("%s: %+v", m.Name, m)
		}
	}
}

func TestRun(t *testing.T) {
	r := Run(context.Background())
	demand(t, &r)
	if r.Process.UID != os.Geteuid() || r.Process.Listener != No {
		t.Errorf("process: %+v", r.Process)
	}
	if !r.Usable() {
		t.Error("nothing is usable")
	}
	if v, _ := r.Feature("vdso"); !strings.Contains(v.Value, "__vdso_clock_gettime") {
		t.Errorf("the vDSO's symbols: %q", v.Value)
	}
}

func TestUnprivileged(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("another user's process takes root; TestRun ran as an unprivileged user")
	}
	r := probed(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}})
	demand(t, &r)
	if r.Process.UID != 65534 || r.Process.SysAdmin || r.Process.SysPtrace {
		t.Errorf("process: %+v", r.Process)
	}
	if f, _ := r.Feature("cgroup_kill"); f.Status == No && !strings.Contains(f.Why, "cgroup") {
		t.Errorf("cgroup_kill: %+v", f)
	}
}

func TestUserNamespace(t *testing.T) {
	r := probed(t, &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	})
	demand(t, &r)
	if !r.Process.UserNS || r.user() != "root of a user namespace" {
		t.Errorf("process: %+v", r.Process)
	}
}

// TestStrangeHost: signals ignored, standard descriptors closed.
func TestStrangeHost(t *testing.T) {
	for _, arg := range []string{"ignore", "close"} {
		r := probed(t, nil, arg)
		demand(t, &r)
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := Run(ctx)
	for _, f := range r.Features {
		if f.Status == Unknown && f.Why == "" {
			t.Errorf("%s is unknown without a reason", f.Name)
		}
	}
	if f, _ := r.Feature("user_notif"); f.Status != Unknown || r.Usable() {
		t.Errorf("after the end of its context: %+v", f)
	}
}

func TestHang(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	n := newNursery(ctx, false)
	defer n.close()
	begin := time.Now()
	if _, err := n.ask("wait"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a probe that hangs: %v", err)
	}
	if d := time.Since(begin); d > 3*time.Second {
		t.Errorf("it took %v to give up", d)
	}
}

// TestNothingLeft: no descriptors, children or files.
func TestNothingLeft(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	Run(context.Background())
	before := descriptors(t)
	var wg sync.WaitGroup
	for range 3 { // at once, too
		wg.Go(func() {
			r := Run(context.Background())
			demand(t, &r)
		})
	}
	wg.Wait()
	n := newNursery(context.Background(), true)
	n.close()
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
	if left, _ := os.ReadDir(tmp); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("there are children: %d, %v", pid, err)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestNurseryInTemporaryFile(t *testing.T) {
	n := newNursery(context.Background(), true)
	defer n.close()
	if n.err != nil || n.temp == "" {
		t.Fatalf("no temporary file: %+v", n)
	}
	if r, err := n.ask("pidfd-open"); err != nil || r.verdict != saysYes {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRegionFits(t *testing.T) {
	if vdsoshim.RegionSize >= 2<<20-64<<10 {
		t.Errorf("the shim's region of %d bytes has no room below 2 MiB", vdsoshim.RegionSize)
	}
}
