package machine

import (
	"time"

	"golang.org/x/sys/unix"
)

// ProcessorTime is what processes have used so far, all together; those that are
// gone count nothing.
func ProcessorTime(pids []int) (all time.Duration) {
	for _, pid := range pids {
		// clock_getcpuclockid(3): the process's number, inverted, and CPUCLOCK_SCHED.
		clock := int32(^pid<<3 | 2)
		var t unix.Timespec
		if unix.ClockGettime(clock, &t) == nil {
			all += time.Duration(t.Nano())
		}
	}
	return all
}
