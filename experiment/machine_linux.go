package experiment

import (
	"fmt"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/experiment/machine"
)

// Machine describes where the numbers come from, as the configuration lines of
// Go benchmark format.
func Machine() []string {
	var u unix.Utsname
	unix.Uname(&u)
	return []string{
		"goos: " + runtime.GOOS,
		"goarch: " + runtime.GOARCH,
		"cpu: " + machine.Model(),
		"cpus: " + strconv.Itoa(runtime.NumCPU()),
		"linux: " + unix.ByteSliceToString(u.Release[:]),
		"go: " + runtime.Version(),
	}
}

// A Load measures how busy the machine is with other things.
type Load struct{ load machine.Load }

// Begin starts to measure.
func (l *Load) Begin() { l.load.Begin() }

// Busy says how much of the processors' time was spent since Begin. Called
// before anything is measured, that is what others spend.
func (l *Load) Busy() string {
	busy, ok := l.load.Busy()
	if !ok {
		return "unknown"
	}
	return fmt.Sprintf("%.0f %%", 100*busy)
}
