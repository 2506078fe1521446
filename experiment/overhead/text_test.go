package overhead

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/sysreflect/sysreflect/experiment/results"
)

// series is a figure around a value: n samples within a hundredth.
func series(subject, way string, v float64, params map[string]string) results.Figure {
	f := results.Figure{Subject: subject, Way: way, Unit: "ns/op", Group: "calls", Params: params}
	for i := range 44 {
		f.Samples = append(f.Samples, v*(1+float64(i%11-5)/1000))
	}
	if way != native && subject != parts && subject != harness {
		f.Baseline = native
	}
	return f
}

// example is a run with every kind of figure.
func example() *results.Run {
	size := func(n int) map[string]string { return map[string]string{"bytes": fmt.Sprint(n)} }
	r := &results.Run{
		Schema: results.Schema, Command: []string{"reflect", "bench"}, Seconds: 40,
		Machine: results.Machine{CPU: "AMD EPYC", CPUs: 2, Kernel: "6.18", LibC: "glibc 2.36", TSCHz: 2e9, Reflect: "v1"},
		Noise:   results.Noise{Value: 0.01, By: map[string]float64{"spawn": 0.1}},
		LeftOut: []results.LeftOut{{Way: "sud", Why: strings.Repeat("a long reason ", 12)}},
		Notes:   []string{"a virtual machine"},
	}
	for _, w := range []struct {
		way   string
		times float64
	}{{native, 1}, {again, 1}, {"patch", 0.05}, {"notify", 40}, {"same", 1.001}} {
		r.Figures = append(r.Figures,
			series("null", w.way, 100*w.times, nil),
			series("tax", w.way, 100, nil),
			series("getrandom", w.way, 200*w.times, size(16)),
			series("getrandom", w.way, 600*w.times, size(256)),
			series("getrandom", w.way, 600*w.times, map[string]string{"bytes": "16", "threads": "256"}),
			series("getrandom", w.way, 500*w.times, map[string]string{"bytes": "16", "threads": "4"}),
		)
	}
	spawn := series("spawn", "patch", 2500, map[string]string{"what": "start"})
	spawn.Unit = "µs"
	memory := series("memory", "patch", 1<<20, map[string]string{"of": "supervisor"})
	memory.Unit = "B"
	note := series("time", "patch", 1e9, nil)
	note.Note = "served by notify"
	note.Histogram = &results.Histogram{Scale: 0.5}
	note.Histogram.Record(1000)
	r.Figures = append(r.Figures, spawn, memory, note, series(harness, harness, 0.25, map[string]string{"around": "function"}),
		series(parts, "entry", 70, nil), series(parts, "signal", 1500, nil), series(parts, "no-signal", 300, nil),
		series(parts, "switch", 5000, nil), series(parts, "no-switch", 900, nil))
	return r
}

func text(t *testing.T, r *results.Run, o TextOptions) string {
	t.Helper()
	var out bytes.Buffer
	if err := WriteText(&out, r, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTextFitsAMail(t *testing.T) {
	r := example()
	b := bench{run: r, mechanisms: []string{"patch", "notify"}}
	b.attribute()
	for _, o := range []TextOptions{{}, {All: true}, {Cycles: true}, {All: true, Cycles: true}} {
		out := text(t, r, o)
		for i, line := range strings.Split(out, "\n") {
			if n := len([]rune(line)); n > Width {
				t.Errorf("%+v: line %d has %d columns: %s", o, i+1, n, line)
			}
			if line != strings.TrimRight(line, " ") {
				t.Errorf("%+v: line %d ends in spaces", o, i+1)
			}
		}
		for _, want := range []string{"reproduce: reflect bench", "machine: AMD EPYC, 2 processors", "left out: sud: a long",
			"(1) served by notify", "where getrandom(16) goes", "kernel entry and exit", "two context switches",
			"subtracted: the loop"} {
			if !strings.Contains(out, want) {
				t.Errorf("%+v: no %q in\n%s", o, want, out)
			}
		}
		if strings.Contains(out, again) {
			t.Errorf("%+v: the second native one is shown beside the first", o)
		}
		for title, all := range map[string]bool{
			"getrandom, 16 bytes, 256 threads\n": true, "getrandom, 16 bytes, by number of threads": false,
			"getrandom by length in bytes": false,
		} {
			if got := strings.Contains(out, title); got != (all == o.All) {
				t.Errorf("%+v: %q: %v\n%s", o, title, got, out)
			}
		}
		if got := strings.Contains(out, "getrandom, 256 bytes"); got != o.All {
			t.Errorf("%+v: 256 bytes with intervals: %v", o, got)
		}
	}
}

// line returns the first one of a section that begins with way.
func line(t *testing.T, out, title, way string) string {
	t.Helper()
	_, rest, ok := strings.Cut(out, title+"\n")
	if !ok {
		t.Fatalf("no section %q in\n%s", title, out)
	}
	for l := range strings.Lines(rest) {
		if strings.HasPrefix(l, "  "+way+" ") {
			return strings.Join(strings.Fields(l), " ")
		}
	}
	t.Fatalf("no line %q below %q", way, title)
	return ""
}

func TestTextSays(t *testing.T) {
	out := text(t, example(), TextOptions{})
	const title = "null call: getppid answered by a constant"
	for way, want := range map[string]string{
		"native": "native 100.0 99.8 to 100.2",
		"patch":  "patch 5.00 4.99 to 5.01 0.0500",
		"same":   "same 100.1 99.9 to 100.3 1.00 n.s.",
	} {
		if got := line(t, out, title, way); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	// 2 GHz: two cycles a nanosecond.
	if got := line(t, text(t, example(), TextOptions{Cycles: true}), title, "native"); !strings.HasPrefix(got, "native 200.0 ") {
		t.Errorf("in cycles: %q", got)
	}
	r := example()
	r.Interrupted = true
	if out := text(t, r, TextOptions{}); !strings.Contains(out, "interrupted after 40s") {
		t.Error("an interrupted run does not say so")
	}
}

// The steps of a figure add up to it.
func TestStepsAddUp(t *testing.T) {
	r := example()
	b := bench{run: r, mechanisms: []string{"patch", "notify"}}
	b.attribute()
	for _, way := range []string{native, "patch", "notify"} {
		f := r.Find("getrandom", way, map[string]string{"bytes": "16"})
		sum := 0.0
		for _, s := range f.Steps {
			sum += s.Cost
		}
		if m := f.Summary().Median; len(f.Steps) < 2 || sum < 0.99*m || sum > 1.01*m {
			t.Errorf("%s: steps %+v add up to %v, and not to %v", way, f.Steps, sum, m)
		}
	}
}

// Where clocks were looked at, steps say who had a processor, and add up all the same.
func TestStepsByClocks(t *testing.T) {
	r := example()
	b := bench{run: r, mechanisms: []string{"notify"}}
	one := &task{figure: *r.Find("null", "notify", nil)}
	for range one.figure.Samples { // of 4000 ns
		one.neither, one.supervisor = append(one.neither, 900), append(one.supervisor, 1700)
	}
	b.tasks = []*task{one}
	b.attribute()
	got := map[string]float64{}
	sum := 0.0
	f := r.Find("getrandom", "notify", map[string]string{"bytes": "16"})
	for _, s := range f.Steps {
		got[s.Name] = math.Round(s.Cost)
		sum += s.Cost
	}
	// The switch of example: both together 1000.
	switches := got["two context switches"]
	if got["neither has a processor"] != 900 || got["the supervisor's work"] != 1700-math.Round(switches/2) || switches == 0 {
		t.Errorf("%v", got)
	}
	if m := f.Summary().Median; math.Abs(sum-m) > 0.01*m {
		t.Errorf("steps add up to %v, and not to %v", sum, m)
	}
}

func TestDisagree(t *testing.T) {
	if d := Disagree(example(), example()); len(d) != 0 {
		t.Errorf("two equal runs: %v", d)
	}
	change := func(times float64, sessions ...float64) *results.Run {
		r := example()
		f := r.Find("null", "patch", nil)
		for i := range f.Samples {
			f.Samples[i] *= times
		}
		f.Sessions = sessions
		r.Find("null", native, nil).Sessions = make([]float64, len(sessions))
		for i := range sessions {
			r.Find("null", native, nil).Sessions[i] = 100
		}
		return r
	}
	if d := Disagree(example(), change(1.2)); len(d) != 1 || !strings.Contains(d[0], "null/patch") {
		t.Errorf("a fifth more: %v", d)
	}
	if d := Disagree(example(), change(1.2, 5.1, 6.6)); len(d) != 0 {
		t.Errorf("a fifth more, where its own sessions were 15 %% apart: %v", d)
	}
}

func TestMedians(t *testing.T) {
	b := bench{begins: []int{0, 3, 6}}
	if got := fmt.Sprint(b.medians([]float64{10, 10, 10, 12, 12, 12, 11, 11, 11})); got != "[10 12 11]" {
		t.Error(got)
	}
	if got := fmt.Sprint(b.medians([]float64{10, 10, 10, 12})); got != "[10 12]" {
		t.Errorf("interrupted in the second session: %v", got)
	}
	if got := b.medians([]float64{10, 11, 12}); got != nil {
		t.Errorf("one session: %v", got)
	}
}

func TestOptions(t *testing.T) {
	for _, bad := range []Options{{Subjects: []string{"tea"}}, {Mechanisms: []string{"auto"}}, {Mechanisms: []string{"magic"}}, {Threads: 257}} {
		if err := bad.complete(); err == nil {
			t.Errorf("%+v is allowed", bad)
		}
	}
	o := Options{Threads: 8}
	if err := o.complete(); err != nil || o.wants("spawn") || !o.wants("null") {
		t.Errorf("%+v, %v", o, err)
	}
	if got := fmt.Sprint(counts(256), counts(2), counts(64)); got != "[1 4 16 64 256] [1 2] [1 4 16 64]" {
		t.Error(got)
	}
}

func TestSteps(t *testing.T) {
	h := &results.Histogram{Scale: 1}
	for _, v := range []uint64{52, 52, 78, 104, 130, 5000, 5026} {
		h.Record(v)
	}
	if got := steps(h); got != 26 {
		t.Errorf("%v, want 26", got)
	}
	if got := steps(&results.Histogram{Scale: 1}); got != 0 {
		t.Errorf("nothing was read: %v", got)
	}
}
