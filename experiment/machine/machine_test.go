package machine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sysreflect/sysreflect/experiment/results"
)

func TestDescribe(t *testing.T) {
	m := Describe(context.Background(), 0)
	out, err := exec.Command("uname", "-r").Output()
	if err != nil {
		t.Fatal(err)
	}
	if m.Kernel != strings.TrimSpace(string(out)) || m.CPU == "" || m.CPUs != runtime.NumCPU() || m.Arch != "x86_64" {
		t.Errorf("%+v", m)
	}
	if _, err := os.Stat("/sys/devices/system/cpu/vulnerabilities/meltdown"); err == nil && m.Mitigations["meltdown"] == "" {
		t.Error("no word about meltdown")
	}
	if hasFlag("hypervisor") != (m.Hypervisor != "") {
		t.Errorf("hypervisor %q", m.Hypervisor)
	}
	if _, err := exec.LookPath("getconf"); err == nil && m.LibC == "" {
		t.Error("no C library")
	}
}

// A process that spins is named, and one of our own is not.
func TestNeighbours(t *testing.T) {
	dir := t.TempDir()
	shell, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	// Names that nothing else has.
	for _, name := range []string{"spin-stranger", "spin-ours"} {
		if err := os.WriteFile(filepath.Join(dir, name), shell, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const loop = "i=0; while [ $i -lt 100000000 ]; do i=$((i+1)); done"
	var w Watch
	w.Begin()
	// Its parent ends, so it is nobody's of ours.
	script := fmt.Sprintf("%s/spin-stranger -c '%s' >/dev/null 2>&1 & echo $!", dir, loop)
	out, err := exec.Command("/bin/sh", "-c", script).Output()
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(stranger, syscall.SIGKILL)
	mine := exec.Command(filepath.Join(dir, "spin-ours"), "-c", loop)
	if err := mine.Start(); err != nil {
		t.Fatal(err)
	}
	defer mine.Wait()
	defer mine.Process.Kill()
	found := ""
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if found = strings.Join(w.neighbours(), " "); strings.Contains(found, "spin-stranger (") {
			break
		}
	}
	if !strings.Contains(found, "spin-stranger (") || strings.Contains(found, "spin-ours") {
		t.Errorf("found %q", found)
	}
}

func TestLoad(t *testing.T) {
	var l Load
	l.Begin()
	time.Sleep(200 * time.Millisecond)
	if busy, ok := l.Busy(); !ok || busy < 0 || busy > 1 {
		t.Errorf("%v, %v", busy, ok)
	}
}

func TestNotes(t *testing.T) {
	quiet := results.Machine{Governor: "performance", Boost: "off", ClockSource: "tsc"}
	for _, test := range []struct {
		change func(*results.Machine)
		want   string
	}{
		{func(m *results.Machine) { m.Governor = "schedutil" }, "governor schedutil"},
		{func(m *results.Machine) { m.Boost = "on" }, "boost"},
		{func(m *results.Machine) { m.Hypervisor = "KVM" }, "KVM"},
		{func(m *results.Machine) { m.ClockSource = "hpet" }, "hpet"},
		{func(m *results.Machine) { m.Busy = 0.3 }, "30 %"},
		{func(m *results.Machine) { m.Steal = 0.013 }, "1.3 %"},
		{func(m *results.Machine) { m.Neighbours = []string{"cc1 (90 %)"} }, "cc1"},
	} {
		m := quiet
		before := len(Notes(&m))
		test.change(&m)
		if notes := Notes(&m); len(notes) != before+1 || !strings.Contains(strings.Join(notes, "\n"), test.want) {
			t.Errorf("%q: want a note with %q", notes, test.want)
		}
	}
}

func TestProcessorTime(t *testing.T) {
	self := []int{os.Getpid()}
	before := ProcessorTime(self)
	for end := time.Now().Add(time.Minute); ProcessorTime(self)-before < 20*time.Millisecond; {
		if time.Now().After(end) {
			t.Fatal("a minute of work took no processor time")
		}
	}
	if ProcessorTime([]int{1<<22 + 1}) != 0 {
		t.Error("a process that can't be there has used something")
	}
}

func TestQuota(t *testing.T) {
	for text, want := range map[string]float64{"max 100000": 0, "150000 100000": 1.5, "": 0, "5": 0, "1 0": 0} {
		if got := quota(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	if q := Quota(); q < 0 {
		t.Errorf("here: %v", q)
	}
}
