package meter

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func files(t *testing.T) *Files {
	t.Helper()
	f, err := Write()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Remove(); f.Once.Close() })
	return f
}

func start(t *testing.T, path string) *Meter {
	t.Helper()
	m, err := Start("test", []string{path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func TestBuild(t *testing.T) {
	version, err := exec.Command("gcc", "-dumpversion").Output()
	if major, _, _ := strings.Cut(strings.TrimSpace(string(version)), "."); err != nil || major != "12" {
		t.Skipf("the committed programs are gcc 12's, this is %q, %v", version, err)
	}
	dir := t.TempDir()
	if out, err := exec.Command("./build.sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, committed := range map[string]string{"meter.elf": static, "meter-libc.elf": dynamic} {
		built, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(built, []byte(committed)) {
			t.Errorf("%s is not what its source gives; run go generate", name)
		}
	}
}

// strace counts as many calls as a window says that it made: an eighth and one to
// warm up, and what was asked for. The meter itself asks who its parent and its user are,
// once, at the start.
func TestCountsAgree(t *testing.T) {
	f := files(t)
	counted := filepath.Join(t.TempDir(), "counts")
	m, err := Start("strace", []string{"strace", "-c", "-o", counted, f.Static}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"getppid": 1 + 800/8 + 1 + 800, "getuid": 1 + 1600/8 + 1 + 1600, "getrandom": 400/8 + 1 + 400, "clock_gettime": 80/8 + 1 + 80}
	for w, calls := range map[Way]int{Getppid: 800, Getuid: 1600, Getrandom: 400, ClockGettime: 80} {
		if _, _, err := m.Window(w, calls, 16); err != nil {
			t.Fatal(err)
		}
	}
	m.Close()
	out, err := os.ReadFile(counted)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		if n, err := strconv.Atoi(fields[3]); err == nil {
			got[fields[len(fields)-1]] = n
		}
	}
	for call, n := range want {
		if got[call] != n {
			t.Errorf("%s: strace counted %d, %d were said to be made\n%s", call, got[call], n, out)
		}
	}
}

// Every way returns what it should, and a thousand calls take longer than ten.
func TestWindows(t *testing.T) {
	f := files(t)
	for path, ways := range map[string][]Way{
		f.Static: {Loop, CallLoop, Getppid, Getuid, Getgid, Getrandom, ClockGettime, VDSOGetrandom, VDSOClockGettime,
			VDSONull, Signal, NoSignal, Switch, NoSwitch, NoCall},
		f.Dynamic: {LibcGetrandom, LibcClockGettime, LibcGetppid, LibcGetuid},
	} {
		m := start(t, path)
		for _, w := range ways {
			have, err := m.Have(w)
			if err != nil {
				t.Fatal(err)
			}
			if !have {
				if w == VDSOGetrandom { // before Linux 6.11
					continue
				}
				t.Errorf("way %d is missing", w)
				continue
			}
			few, many := uint64(math.MaxUint64), uint64(math.MaxUint64)
			for range 5 { // one may be disturbed for longer than it takes
				for calls, least := range map[int]*uint64{10: &few, 10000: &many} {
					cycles, _, err := m.Window(w, calls, 16)
					if err != nil {
						t.Fatalf("way %d: %v", w, err)
					}
					*least = min(*least, cycles)
				}
			}
			if many <= few {
				t.Errorf("way %d: %d cycles for 10 calls, %d for 10000", w, few, many)
			}
		}
	}
}

// A sample waits until a pulse takes no longer than asked for, while it warms up, and says so.
func TestSampleWaits(t *testing.T) {
	m := start(t, files(t).Static)
	const calls, longest = 800, 10e6
	at, err := m.Sample(Getppid, calls, 0, 8, 1<<62, longest)
	if err != nil {
		t.Fatal(err)
	}
	if at.Calls != calls+calls/8+1 || at.Waited != 0 || at.Pulse < 1000 || at.Around < 2*at.Pulse/3 {
		t.Errorf("on any core: %+v", at)
	}
	never, err := m.Sample(Getppid, calls, 0, 8, 1, longest)
	if err != nil {
		t.Fatal(err)
	}
	if never.Waited < longest || never.Around < never.Waited || (never.Calls-calls)%(calls/8+1) != 0 || never.Calls < calls+2*(calls/8+1) {
		t.Errorf("on a core that nobody has: %+v", never)
	}
}

func TestOwnNeedsTheCounter(t *testing.T) {
	m := start(t, files(t).Static)
	if have, err := m.Have(OwnGetrandom); err != nil || have {
		t.Errorf("natively nobody exports the counter that it follows: %v, %v", have, err)
	}
}

func TestLatency(t *testing.T) {
	m := start(t, files(t).Static)
	h, err := m.Latency(Getppid, 5000, 0, 1<<40, 0)
	if err != nil {
		t.Fatal(err)
	}
	if h.Total() != 5000 || h.Quantile(0.5) < 20 {
		t.Errorf("%d calls, median %v cycles", h.Total(), h.Quantile(0.5))
	}
	if h, err = m.Latency(Getppid, 1<<30, 0, 1000000, 10); err != nil || h.Total() >= 1<<30 || h.Total() == 0 {
		t.Errorf("limited by time: %v calls, %v", h.Total(), err)
	}
}

// The counter's frequency is the same twice, and close to what the clock of the
// standard library says.
func TestClock(t *testing.T) {
	m := start(t, files(t).Static)
	a, err := m.Clock()
	begin := time.Now()
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	b, err := m.Clock()
	took := time.Since(begin)
	if err != nil {
		t.Fatal(err)
	}
	hz, wrong := Frequency(a, b)
	if hz < 5e8 || hz > 2e10 || wrong > 1e-3 {
		t.Errorf("%v Hz, wrong by up to %v", hz, wrong)
	}
	// A preemption between the two readings makes them differ by milliseconds.
	if r := float64(b.TSC-a.TSC) / hz / took.Seconds(); r < 0.5 || r > 1.5 {
		t.Errorf("%v times what time.Since says", r)
	}
}

func TestChildren(t *testing.T) {
	f := files(t)
	m := start(t, f.Static)
	if c, err := m.Fork(); err != nil || c == 0 {
		t.Errorf("fork: %d cycles, %v", c, err)
	}
	if c, err := m.Spawn(f.Static, "exit"); err != nil || c == 0 {
		t.Errorf("spawn: %d cycles, %v", c, err)
	}
	if _, err := m.Spawn("/nonexistent"); err == nil {
		t.Error("a program that is not there was started")
	}
	if _, err := m.Spawn("/bin/sh", "-c", "exit 3"); err == nil {
		t.Error("status 3 is no error")
	}
}

func TestTogether(t *testing.T) {
	m := start(t, files(t).Static)
	for _, n := range []int{1, 1, 4, 4, 64, 256} {
		cycles, calls, err := m.Together(Getrandom, 16, n, 20*time.Millisecond)
		if err != nil || calls < uint64(16*n) || cycles == 0 {
			t.Errorf("%d threads: %d calls in %d cycles, %v", n, calls, cycles, err)
		}
	}
}

// A meter whose other end is gone ends, and one that can't start says why.
func TestEnds(t *testing.T) {
	f := files(t)
	m, err := Start("test", []string{f.Static}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.to.Close()
	if err := m.wait(5 * time.Second); err != nil {
		t.Error(err)
	}
	if _, err := m.Have(Loop); err == nil {
		t.Error("it answers after its end")
	}
	m.Close()
	m.Close() // as who drops what could not be started again does
	if _, err := Start("test", []string{"/bin/sh", "-c", "echo it is broken >&2; exit 3"}, nil); err == nil ||
		!strings.Contains(err.Error(), "it is broken") {
		t.Errorf("%v, want what it said", err)
	}
	f.Remove()
	if _, err := os.Stat(f.dir); !os.IsNotExist(err) {
		t.Error("the files are still there")
	}
}

// All of a command is kept on its processor, what it starts too.
func TestKeptOnAProcessor(t *testing.T) {
	f := files(t)
	before, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Command{Name: "test", Argv: []string{"/bin/sh", "-c", f.Static}, CPU: 0}.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	pid, err := m.Self()
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil || !bytes.Contains(status, []byte("Cpus_allowed_list:\t0\n")) {
		t.Errorf("the meter may run elsewhere: %v\n%s", err, status)
	}
	after, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	list := func(status []byte) string {
		_, rest, _ := bytes.Cut(status, []byte("Cpus_allowed_list:"))
		line, _, _ := bytes.Cut(rest, []byte("\n"))
		return string(line)
	}
	if list(before) != list(after) {
		t.Errorf("we ran on%s, and now on%s", list(before), list(after))
	}
}
