package guardian

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestForkLeavesNoAdvice: what is left out of the guardian's fork is part of later
// ones again. And a step of the guardian's that fails is told.
func TestForkLeavesNoAdvice(t *testing.T) {
	pair, page := ends(t)
	l := Launch{Path: "/bin/true", Dir: "/nowhere", Connection: pair[1], Region: pair[1], Control: addressOf(page)}
	s, pid, err := l.Fork()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	unix.Close(pair[1])
	b := make([]byte, 2*MessageSize)
	n, err := unix.Read(pair[0], b)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Decode(b[:n])
	if err != nil || m.Type != Failed || Step(m.Detail) != StepDir || unix.Errno(m.Status) != unix.ENOENT {
		t.Errorf("message %+v, %v, want chdir's ENOENT", m, err)
	}
	if _, err := unix.Wait4(pid, nil, 0, nil); err != nil {
		t.Error(err)
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	mapping := ""
	for line := range strings.Lines(string(maps)) {
		flags, ok := strings.CutPrefix(line, "VmFlags:")
		if !ok {
			if !strings.Contains(line, " kB") {
				mapping = line
			}
			continue
		}
		if strings.Contains(flags, " dc ") { // VM_DONTCOPY
			t.Errorf("not part of forks any more: %s", mapping)
		}
	}
}

// TestForkIsSmall: the guardian has none of its parent's heap.
func TestForkIsSmall(t *testing.T) {
	pair, page := ends(t)
	big := make([]byte, 32<<20)
	for i := range big {
		big[i] = 1
	}
	// It waits on its way, for a signal that it blocks.
	l := Launch{Path: "/bin/true", Connection: pair[1], Region: pair[1], Control: addressOf(page),
		Calls: []Call{{Nr: unix.SYS_PAUSE}}}
	s, pid, err := l.Fork()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	unix.Close(pair[1])
	defer func() {
		unix.Kill(pid, unix.SIGKILL)
		unix.Wait4(pid, nil, 0, nil)
	}()
	// Beside a C library it unmaps what it has no use for.
	kb := anonymous(t, pid)
	for end := time.Now().Add(2 * time.Second); kb > 1024 && time.Now().Before(end); kb = anonymous(t, pid) {
		time.Sleep(time.Millisecond)
	}
	if kb > 1024 {
		t.Errorf("the guardian has %d kB of memory that no file gives", kb)
	}
	if big[len(big)-1] != 1 {
		t.Error("lost")
	}
}

// anonymous is a process's RssAnon in kB (proc(5)).
func anonymous(t *testing.T, pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "RssAnon:")
	kb := -1
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		t.Fatal(err)
	}
	return kb
}

// ends are a connection and a control page.
func ends(t *testing.T) (pair [2]int, page []byte) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	page, err = unix.Mmap(-1, 0, pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Close(pair[0])
		unix.Munmap(page)
	})
	return pair, page
}
