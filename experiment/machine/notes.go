package machine

import (
	"fmt"
	"strings"

	"github.com/sysreflect/sysreflect/experiment/results"
)

// Notes says of a machine what a reader of its numbers must know.
func Notes(m *results.Machine) (notes []string) {
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if m.Hypervisor != "" {
		note("a virtual machine (%s): its host decides how fast it is from moment to moment", m.Hypervisor)
	}
	switch {
	case m.Governor == "" && m.Hypervisor == "":
		note("nothing is known of frequency scaling")
	case m.Governor == "" || m.Governor == "performance" && m.Boost != "on":
	case m.Governor == "performance":
		note("the processor's frequency is not fixed (boost is on)")
	default:
		note("the processor's frequency is not fixed (governor %s)", m.Governor)
	}
	if !hasFlag("constant_tsc") || !hasFlag("nonstop_tsc") {
		note("the time stamp counter may not run at one speed (constant_tsc, nonstop_tsc)")
	}
	if m.ClockSource != "tsc" && m.ClockSource != "" && m.ClockSource != "kvm-clock" && m.ClockSource != "hyperv_clocksource_tsc_page" {
		note("clock source %s: the kernel's vDSO makes system calls for the time", m.ClockSource)
	}
	if m.Busy >= 0.05 {
		note("others used %.0f %% of the processors before the run", 100*m.Busy)
	}
	if m.Steal >= 0.002 {
		note("the hypervisor took %.1f %% of the time (steal)", 100*m.Steal)
	}
	if len(m.Neighbours) > 0 {
		note("busy beside it: %s", strings.Join(m.Neighbours, ", "))
	}
	return notes
}
