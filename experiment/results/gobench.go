package results

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// WriteGo writes a run in Go benchmark format, which benchstat reads: a line for
// each sample, or for each session of what is told by a mean. `benchstat -col /way FILE` compares the ways of a run.
func (r *Run) WriteGo(w io.Writer) error {
	b := bufio.NewWriter(w)
	m := &r.Machine
	for _, line := range [][2]string{
		{"goos", "linux"}, {"goarch", goArch(m.Arch)}, {"pkg", "github.com/sysreflect/sysreflect"}, {"cpu", m.CPU},
		{"cpus", strconv.Itoa(m.CPUs)}, {"linux", m.Kernel}, {"hypervisor", m.Hypervisor}, {"libc", m.LibC},
		{"go", m.Go}, {"reflect", m.Reflect},
	} {
		if line[1] != "" {
			fmt.Fprintf(b, "%s: %s\n", line[0], oneLine(line[1]))
		}
	}
	b.WriteByte('\n')
	for i := range r.Figures {
		f := &r.Figures[i]
		unit, times := goUnit(f.Unit)
		values := f.Samples
		if f.IsMean() {
			values = f.Sessions // of which a median says nearly what is told
		}
		for _, v := range values {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				continue
			}
			fmt.Fprintf(b, "Benchmark%s %d %s %s\n", f.goName(), max(1, f.Calls), strconv.FormatFloat(v*times, 'f', -1, 64), unit)
		}
	}
	return b.Flush()
}

// goName is the figure's name as a Go benchmark: Getrandom/way=patch/bytes=16.
func (f *Figure) goName() string {
	subject, name, named := strings.Cut(f.Subject, ":")
	out := word(subject)
	out = strings.ToUpper(out[:1]) + out[1:]
	if named {
		out += "/name=" + word(name)
	}
	out += "/way=" + word(f.Way)
	for _, k := range f.paramNames() {
		out += "/" + word(k) + "=" + word(f.Params[k])
	}
	return out
}

// word makes one of what may hold spaces and slashes. A number behind a dash at
// the end would be taken for GOMAXPROCS.
func word(s string) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r == '/' || r == 0x7f || r == '=' {
			return '_'
		}
		return r
	}, s)
	if i := strings.LastIndexByte(s, '-'); i >= 0 && i+1 < len(s) && strings.Trim(s[i+1:], "0123456789") == "" {
		s = s[:i] + "_" + s[i+1:]
	}
	if s == "" {
		return "_"
	}
	return s
}

// goUnit: benchstat knows how to scale ns/op, but not ms.
func goUnit(unit string) (name string, times float64) {
	switch unit {
	case "ms":
		return "ns/op", 1e6
	case "µs", "us":
		return "ns/op", 1e3
	case "ns":
		return "ns/op", 1
	case "s":
		return "ns/op", 1e9
	}
	return strings.ReplaceAll(unit, " ", "_"), 1
}

func goArch(machine string) string {
	switch machine {
	case "x86_64", "":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return machine
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
