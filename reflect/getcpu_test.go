package reflect

import (
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

const statTail = " S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 100 2453504 300 18446744073709551615 " +
	"1 1 0 0 0 0 0 0 65538 0 0 0 17 "

func TestStatProcessor(t *testing.T) {
	for _, tc := range []struct {
		stat string
		want int
		ok   bool
	}{
		{"12 (cat)" + statTail + "3 0 0 0 0 0\n", 3, true},
		{"12 (a) b (c)" + statTail + "127 0 0\n", 127, true},
		{"12 (\n) 1 2 3)" + statTail + "0 0\n", 0, true},
		{"12 (cat)" + statTail + "3", 0, false}, // cut off
		{"12 (cat)" + statTail, 0, false},
		{"12 (cat)" + statTail + "x 0\n", 0, false},
		{"12 (cat)" + statTail + "-1 0\n", 0, false},
		{"12 (cat)" + statTail + "99999999999999999999 0\n", 0, false},
		{"12 (cat) S 1\n", 0, false},
		{"12 (cat", 0, false},
		{"", 0, false},
	} {
		if got, ok := statProcessor([]byte(tc.stat)); got != tc.want || ok != tc.ok {
			t.Errorf("%q: %d, %v", tc.stat, got, ok)
		}
	}
}

func FuzzStatProcessor(f *testing.F) {
	f.Add([]byte("12 (cat)" + statTail + "3 0 0 0 0 0\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if cpu, ok := statProcessor(b); ok && cpu < 0 {
			t.Errorf("processor %d", cpu)
		}
	})
}

func TestCPUList(t *testing.T) {
	for in, want := range map[string][]int{
		"0-1\n": {0, 1}, "0-3,8": {0, 1, 2, 3, 8}, "5": {5}, "": nil, "\n": nil, "x-y,2": {2}, "3-1": nil,
		"0-99999999": nil,
	} {
		if got := slices.Collect(cpuList(in)); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
}

// TestProcessorOf compares both ways to the processor with the kernel's answer,
// on every processor that this process may use.
func TestProcessorOf(t *testing.T) {
	pinned(t)
	if cpu, ok := boundTo(unix.Gettid()); !ok {
		t.Error("this thread is bound to one processor, and it is not found")
	} else if got, _ := fromStat(unix.Gettid()); got != cpu {
		t.Errorf("bound to %d, stat says %d", cpu, got)
	}
	if _, ok := processorOf(0); ok {
		t.Error("thread 0 has a processor")
	}
	if _, err := os.Stat("/sys/devices/system/node/node0"); err == nil && len(nodesOfProcessors()) == 0 {
		t.Error("no processor has a node")
	}
}
