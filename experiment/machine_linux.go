package experiment

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Machine describes where the numbers come from, as the configuration lines of
// Go benchmark format.
func Machine() []string {
	var u unix.Utsname
	unix.Uname(&u)
	return []string{
		"goos: " + runtime.GOOS,
		"goarch: " + runtime.GOARCH,
		"cpu: " + model(),
		"cpus: " + strconv.Itoa(runtime.NumCPU()),
		"linux: " + unix.ByteSliceToString(u.Release[:]),
		"go: " + runtime.Version(),
	}
}

func model() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// A Load measures how busy the machine is with other things.
type Load struct{ idle, total uint64 }

// Begin starts to measure.
func (l *Load) Begin() { l.idle, l.total = processorTime() }

// Busy says how much of the processors' time was spent since Begin. Called
// before anything is measured, that is what others spend.
func (l *Load) Busy() string {
	idle, total := processorTime()
	if total <= l.total {
		return "unknown"
	}
	return fmt.Sprintf("%.0f %%", 100-100*float64(idle-l.idle)/float64(total-l.total))
}

// processorTime reads the first line of /proc/stat (proc(5)).
func processorTime() (idle, total uint64) {
	data, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(data), "\n")
	for i, field := range strings.Fields(line) {
		v, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			continue
		}
		total += v
		if i == 4 || i == 5 { // idle, iowait
			idle += v
		}
	}
	return idle, total
}
