package overhead

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/sysreflect/sysreflect/experiment/machine"
	"github.com/sysreflect/sysreflect/experiment/meter"
	"github.com/sysreflect/sysreflect/experiment/results"
)

// memorySamples is how many fresh processes are looked at, by each way.
const memorySamples = 8

// memory measures what a process has for itself alone, natively and under each
// mechanism, once it has made calls, and what the processes that serve it have.
func (b *bench) memory(ctx context.Context) {
	if !b.o.wants("memory") {
		return
	}
	var figures []results.Figure
	for _, c := range b.contestants {
		if c.name != native && c.mechanism == "" || c.placed {
			continue
		}
		f := results.Figure{Subject: "memory", Way: c.name, Unit: "B", Group: "memory", Params: map[string]string{"of": "program"}}
		if c.name != native {
			f.Baseline = native
		}
		s := results.Figure{Subject: "memory", Way: c.name, Unit: "B", Params: map[string]string{"of": "supervisor"}}
		for range memorySamples {
			if ctx.Err() != nil {
				return
			}
			program, rest, err := b.weigh(c)
			if err != nil {
				b.leaveOut("memory", c.name, err)
				break
			}
			f.Samples = append(f.Samples, program)
			s.Samples = append(s.Samples, rest)
		}
		figures = append(figures, f)
		if c.mechanism != "" {
			figures = append(figures, s)
		}
	}
	for _, f := range figures {
		if len(f.Samples) == memorySamples {
			b.run.Figures = append(b.run.Figures, f)
		}
	}
	b.setNoise("memory", 0)
}

// weigh starts a contestant's program anew and looks at it.
func (b *bench) weigh(c *contestant) (program, rest float64, err error) {
	argv := slices.Clone(c.argv)
	files := append([]*os.File{}, c.files...)
	argv[len(argv)-1] = fmt.Sprintf("/proc/self/fd/%d", 3+len(files))
	m, err := meter.Start(c.name, argv, c.env, append(files, b.files.Once)...)
	if err != nil {
		return 0, 0, err
	}
	defer m.Close()
	for _, w := range []meter.Way{meter.Getppid, meter.Getuid, meter.Getrandom, meter.ClockGettime} {
		if _, _, err := m.Window(w, 50, 16); err != nil {
			return 0, 0, err
		}
	}
	pid, err := m.Self()
	if err != nil {
		return 0, 0, err
	}
	if program, err = private(pid); err != nil {
		return 0, 0, err
	}
	for _, other := range machine.Descendants(m.PID) {
		if other == pid {
			continue
		}
		v, err := private(other)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return 0, 0, err
		}
		rest += v
	}
	return program, rest, nil
}

// private is the memory that a process shares with nobody, in bytes
// (proc_pid_smaps(5)).
func private(pid int) (bytes float64, err error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) >= 2 && (f[0] == "Private_Clean:" || f[0] == "Private_Dirty:") {
			v, err := strconv.ParseFloat(f[1], 64)
			if err != nil {
				return 0, err
			}
			bytes += 1024 * v
		}
	}
	return bytes, nil
}
