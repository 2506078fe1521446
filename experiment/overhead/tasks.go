package overhead

import (
	"slices"
	"strconv"
	"time"

	"github.com/sysreflect/sysreflect/experiment/meter"
	"github.com/sysreflect/sysreflect/experiment/results"
)

// A task is one way to make a call, on one contestant.
type task struct {
	by      *contestant
	way     meter.Way
	bytes   int
	around  meter.Way // the loop that is subtracted
	call    string    // the system call's name, for who served it
	check   bool      // the call must return wanted
	wanted  int64
	figure  results.Figure
	latency bool // each call is to be timed by itself, too

	calls  int
	each   float64       // cycles, roughly
	times  int           // windows in a round, if not one
	span   time.Duration // of each of these
	round  []windowed    // those of the last one, sorted
	cycles []float64     // a call, for each round, with the loop
	pulses []uint64      // of these windows, see core
	// Where another process serves, in nanoseconds a call: its processor time, and the time
	// in which neither it nor the program had a processor.
	supervisor, neither []float64
}

// plan lists the tasks that the options ask for. Those of one subject stand
// together, so that what is compared is measured at nearly the same time.
func (b *bench) plan() {
	o := &b.o
	b.add(native, harness, "harness", meter.Loop, meter.Loop, "", 0)
	b.add(native, harness, "harness", meter.CallLoop, meter.CallLoop, "", 0)
	if o.wants("null") {
		for _, c := range []string{native, again} {
			b.add(c, c, "null", meter.Getppid, meter.Loop, "getppid", 0)
		}
		b.add(native, kernel, "null", meter.VDSONull, meter.CallLoop, "gettimeofday", 0)
		b.add(libc, libc, "null", meter.LibcGetppid, meter.CallLoop, "getppid", 0)
		b.each("null", meter.Getppid, "getppid", 0)
	}
	if o.wants("passthrough") {
		for _, c := range []string{native, again} {
			b.add(c, c, "passthrough", meter.Getuid, meter.Loop, "getuid", 0)
		}
		b.each("passthrough", meter.Getuid, "getuid", 0)
	}
	if o.wants("getrandom") {
		for _, n := range o.Bytes {
			for _, c := range []string{native, again} {
				b.add(c, c, "getrandom", meter.Getrandom, meter.Loop, "getrandom", n)
			}
			b.add(native, kernel, "getrandom", meter.VDSOGetrandom, meter.CallLoop, "getrandom", n)
			b.add(libc, libc, "getrandom", meter.LibcGetrandom, meter.CallLoop, "getrandom", n)
			b.add(preload, preload, "getrandom", meter.LibcGetrandom, meter.CallLoop, "getrandom", n)
			b.add("vdso", own, "getrandom", meter.OwnGetrandom, meter.CallLoop, "", n)
			b.each("getrandom", meter.Getrandom, "getrandom", n)
		}
	}
	if o.wants("time") {
		for _, c := range []string{native, again} {
			b.add(c, c, "time", meter.ClockGettime, meter.Loop, "clock_gettime", 0)
		}
		b.add(native, kernel, "time", meter.VDSOClockGettime, meter.CallLoop, "clock_gettime", 0)
		b.add(libc, libc, "time", meter.LibcClockGettime, meter.CallLoop, "clock_gettime", 0)
		b.each("time", meter.ClockGettime, "clock_gettime", 0)
	}
	if o.wants("tax") {
		for _, c := range []string{native, again} {
			b.add(c, c, "tax", meter.Getgid, meter.Loop, "", 0)
		}
		for _, c := range b.contestants {
			if c.mechanism != "" && !c.placed {
				b.add(c.name, c.name, "tax", meter.Getgid, meter.Loop, "", 0)
			}
		}
	}
	b.planParts()
	b.planPlaced()
}

// each adds a subject for all mechanisms: by the system call, or, for vdso, by the
// vDSO's function.
func (b *bench) each(subject string, way meter.Way, call string, bytes int) {
	functions := map[meter.Way]meter.Way{
		meter.Getppid: meter.VDSONull, meter.Getrandom: meter.VDSOGetrandom, meter.ClockGettime: meter.VDSOClockGettime,
	}
	for _, c := range b.contestants {
		switch f, ok := functions[way]; {
		case c.mechanism == "" || c.placed:
		case c.mechanism == "vdso" && !ok && slices.Contains(b.o.Mechanisms, "vdso"):
			b.run.LeftOut = append(b.run.LeftOut, results.LeftOut{Subject: subject, Way: c.name, Why: "a vDSO has no such function"})
		case c.mechanism != "vdso":
			b.add(c.name, c.name, subject, way, meter.Loop, call, bytes)
		case ok:
			if subject == "null" {
				call = "gettimeofday"
			}
			b.add(c.name, c.name, subject, f, meter.CallLoop, call, bytes)
		}
	}
}

// add adds a task, if the contestant is there and has that way.
func (b *bench) add(contestant, name, subject string, way, around meter.Way, call string, bytes int) {
	c := b.contestant(contestant)
	if c == nil {
		return
	}
	have, err := c.m.Have(way)
	if err != nil {
		b.drop(c, err)
		return
	}
	if !have {
		if !b.missing[name+subject] {
			b.run.LeftOut = append(b.run.LeftOut, results.LeftOut{Subject: subject, Way: name, Why: "there is no such function here"})
		}
		b.missing[name+subject] = true
		return
	}
	t := &task{by: c, way: way, around: around, bytes: bytes, call: call}
	t.figure = results.Figure{Subject: subject, Way: name, Unit: "ns/op", Group: "calls"}
	if bytes > 0 {
		t.figure.Params = map[string]string{"bytes": strconv.Itoa(bytes)}
	}
	if name != native && subject != harness {
		t.figure.Baseline = native
	}
	if subject == harness {
		t.figure.Params = map[string]string{"around": map[meter.Way]string{meter.Loop: "system call", meter.CallLoop: "function"}[way]}
	}
	if way == meter.Getppid && c.mechanism != "" {
		t.check, t.wanted = true, constant
	}
	if name != again && subject != harness && (bytes == 0 || bytes == 16) && subject != "tax" {
		t.latency = true
	}
	b.tasks = append(b.tasks, t)
}
