package overhead

import (
	"fmt"
	"slices"

	"github.com/sysreflect/sysreflect/experiment/meter"
	"github.com/sysreflect/sysreflect/experiment/results"
)

// placed is the subject of calls whose supervisor runs where the kernel puts it.
//
// Everything else is measured on one processor, supervisors too. What a user has depends on
// where the kernel wakes the supervisor (select_task_rq_fair): on the program's processor or on
// another one, which may sleep, and that changes from time to time and with what others do. So these
// figures have two modes or more, up to six times apart, and no median that two runs would
// agree on: they are told as what they are, a distribution, and have rounds to the end.
const placed = "placed"

// A window of these has so many calls: where a supervisor is woken changes much more
// seldom than calls are made, so long windows say no more than short ones. Nothing is called
// before but an eighth of that, as by a program that makes calls now and then.
const placedCalls = 16

// elsewhereBy reports whether a mechanism serves calls in another process.
func elsewhereBy(mechanism string) bool {
	return mechanism == "notify" || mechanism == "ptrace" || mechanism == "ptrace-all"
}

// places reports whether a mechanism is measured a second time, where the kernel puts its
// supervisor.
func (b *bench) places(mechanism string) bool {
	return elsewhereBy(mechanism) && b.o.Threads <= 1 && !b.o.Free && (b.o.wants("null") || b.o.wants("passthrough"))
}

// placed is a contestant whose supervisor is not pinned.
func (b *bench) placed(mechanism string) (*contestant, error) {
	c, err := b.reflected(mechanism)
	if err == nil {
		c.name, c.placed = placedName(mechanism), true
	}
	return c, err
}

func placedName(mechanism string) string { return mechanism + ", " + placed }

// planPlaced adds what such contestants do.
func (b *bench) planPlaced() {
	for _, c := range slices.Clone(b.contestants) {
		if !c.placed {
			continue
		}
		for _, call := range []struct {
			subject, call string
			way           meter.Way
		}{{"null", "getppid", meter.Getppid}, {"passthrough", "getuid", meter.Getuid}} {
			if b.o.wants(call.subject) {
				b.add(c.name, c.mechanism, placed, call.way, meter.Loop, call.call, 0)
			}
		}
	}
	for _, t := range b.tasks {
		if t.figure.Subject == placed {
			t.figure.Baseline = ""
			t.figure.Params = map[string]string{"call": "null"}
			if t.way == meter.Getuid {
				t.figure.Params["call"], t.latency = "passthrough", false
			}
		}
	}
}

// placed prints what the kernel's choice makes of two calls: how windows are
// distributed, beside the median on one processor.
func (p *printer) placed() {
	head := false
	for i := range p.run.Figures {
		f := &p.run.Figures[i]
		if f.Subject != placed || len(f.Samples) == 0 {
			continue
		}
		if !head {
			fmt.Fprintf(p, "with the supervisor where the kernel puts it, %s, windows\n  %-22s %7s %6s %6s %6s %6s %6s\n",
				p.unit, "", "one CPU", "5 %", "25 %", "50 %", "75 %", "95 %")
			head = true
		}
		pinned := "-"
		if one := p.run.Find(f.Param("call"), f.Way, nil); one != nil {
			pinned = number(one.Summary().Median * p.rate)
		}
		fmt.Fprintf(p, "  %-22s %7s", f.Param("call")+" "+f.Way, pinned)
		for _, q := range []float64{0.05, 0.25, 0.5, 0.75, 0.95} {
			fmt.Fprintf(p, " %6s", number(results.Quantile(f.Samples, q)*p.rate))
		}
		p.WriteByte('\n')
	}
	if head {
		p.WriteByte('\n')
	}
}
