package reflect

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A process that moves to another time namespace between two calls is left to the
// kernel from then on, though its link was open already, and so is one that is gone.
func TestTimeNamespaceChanges(t *testing.T) {
	h, _ := Builtin("clock_gettime")
	left := func(pid int) bool {
		fake := new(Fake)
		fake.Map(targetAt(0), len(target), true)
		return h.Serve(&Call{Arch: unix.AUDIT_ARCH_X86_64, Args: [6]uint64{unix.CLOCK_MONOTONIC, targetAt(0)}, TID: pid, Mem: fake}).Continue
	}
	shell := func(script string, args ...string) (*exec.Cmd, *bufio.Reader, *os.File) {
		cmd := exec.Command("/bin/sh", append([]string{"-c", script, "sh"}, args...)...)
		in, to, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdin = in
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		in.Close()
		t.Cleanup(func() { to.Close(); cmd.Process.Kill(); cmd.Wait() })
		return cmd, bufio.NewReader(out), to
	}
	gone, _, _ := shell("read x")
	for range 4 {
		if left(gone.Process.Pid) {
			t.Error("a process of our own namespace is left to the kernel")
		}
	}
	if n := len(timeLinks()); n > 0 {
		if l := &timeLinks()[gone.Process.Pid%n]; l.tid != gone.Process.Pid || l.file == 0 {
			t.Errorf("its link is not open: %+v", l.tid)
		}
	}
	gone.Process.Kill()
	gone.Wait()
	for range 3 {
		if !left(gone.Process.Pid) {
			t.Error("a process that is gone was served")
		}
	}
	if unix.Geteuid() != 0 {
		return // another time namespace takes root
	}
	other := waiter(t, "unshare", "--time", "--monotonic", "100000", "--fork")
	mover, _, to := shell(`read x; exec nsenter --time="$1" sleep 1000`, "/proc/"+strconv.Itoa(other)+"/ns/time")
	pid := mover.Process.Pid
	for range 4 {
		if left(pid) {
			t.Fatal("it has not moved yet")
		}
	}
	to.WriteString("\n")
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if name, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm"); strings.TrimSpace(string(name)) == "sleep" {
			break
		}
		if time.Now().After(end) {
			t.Fatal("it does not move")
		}
	}
	for range 3 {
		if !left(pid) {
			t.Error("a process that moved was served by our clock")
		}
	}
}

// Threads whose numbers share a place take it from each other.
func TestTimeLinksShared(t *testing.T) {
	n := len(timeLinks())
	if n == 0 {
		t.Fatal("no room for links under this limit")
	}
	self, parent := unix.Getpid(), unix.Getppid()
	for range 3 {
		for _, tid := range []int{self, self, parent, self, self + n<<20, 1 << 30, self} {
			link, ok := timeLinkOf(tid)
			want, err := os.Readlink("/proc/" + strconv.Itoa(tid) + "/ns/time")
			if got := strings.TrimRight(string(link[:]), "\x00"); ok != (err == nil) || ok && got != want {
				t.Errorf("%d: %q, %v, want %q, %v", tid, got, ok, want, err)
			}
		}
	}
}
