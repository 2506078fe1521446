package results

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/perf/benchfmt"
)

func example() *Run {
	h := &Histogram{Scale: 0.5}
	for _, v := range []uint64{1, 200, 255, 256, 1000, 1 << 20} {
		h.Record(v)
	}
	return &Run{
		Schema: Schema, Command: []string{"reflect", "bench"}, When: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Seconds: 3,
		Machine: Machine{Kernel: "6.18.0", Arch: "x86_64", CPU: "AMD <EPYC> 9", CPUs: 2, Mitigations: map[string]string{"meltdown": "Not affected"}},
		Noise:   Noise{How: "twice", Value: 0.01, Pace: 0.02, By: map[string]float64{"spawn": 0.1}},
		Figures: []Figure{
			{Subject: "getrandom", Way: "native", Params: map[string]string{"bytes": "16"}, Unit: "ns/op",
				Samples: []float64{220.125, 221, 219, 222, 220, 221.5}, Group: "calls", Calls: 1000},
			{Subject: "getrandom", Way: "patch", Params: map[string]string{"bytes": "16"}, Unit: "ns/op", Baseline: "native",
				Samples: []float64{12, 12.5, 12.25, 12, 12.125, 12.3}, Group: "calls", Subtracted: 0.25, Histogram: h,
				Pace: []float64{1.0123, 1, 0.9877, 1, 1, 1.1}, Doubt: 0.001,
				Steps: []Step{{Name: "work", What: "a - b", Cost: 9, Lo: 8, Hi: 10}}},
			{Subject: "workload:git status -4", Way: "native", Unit: "ms", Samples: []float64{2.5, 2.6}},
			{Subject: "memory", Way: "ptrace-all", Unit: "B", Samples: []float64{4096}},
		},
	}
}

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	if err := example().WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 6 {
		t.Errorf("%d lines, want a line for each figure:\n%s", n, &out)
	}
	back, err := ReadJSON(&out)
	if err != nil {
		t.Fatal(err)
	}
	if want := example(); !reflect.DeepEqual(back, want) {
		t.Errorf("read back\n%+v, want\n%+v", back, want)
	}
	out.Reset()
	if err := (&Run{}).WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	if back, err := ReadJSON(&out); err != nil || len(back.Figures) != 0 {
		t.Errorf("a run without figures: %+v, %v", back, err)
	}
	for _, bad := range []string{"", "{}", `{"schema": 99}`, "[1]"} {
		if _, err := ReadJSON(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// Every line is read by the library that benchstat reads with, and means what
// was measured.
func TestGoFormat(t *testing.T) {
	var out bytes.Buffer
	if err := example().WriteGo(&out); err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	cpu := ""
	for r := benchfmt.NewReader(&out, "test"); r.Scan(); {
		switch rec := r.Result().(type) {
		case *benchfmt.SyntaxError:
			t.Error(rec)
		case *benchfmt.Result:
			cpu = rec.GetConfig("cpu")
			for _, v := range rec.Values {
				got[string(rec.Name)+" "+v.Unit] = v.Value
			}
		}
	}
	want := map[string]float64{
		"Getrandom/way=native/bytes=16 sec/op":          221.5e-9,
		"Getrandom/way=patch/bytes=16 sec/op":           12.3e-9,
		"Workload/name=git_status__4/way=native sec/op": 2.6e-3,
		"Memory/way=ptrace-all B":                       4096,
	}
	for name, v := range want {
		if g, ok := got[name]; !ok || g < v*0.999999 || g > v*1.000001 {
			t.Errorf("%s: %v, want %v", name, g, v)
		}
	}
	if len(got) != len(want) || cpu != "AMD <EPYC> 9" {
		t.Errorf("cpu %q, %v", cpu, got)
	}
}

// benchstat itself compares the ways.
func TestBenchstat(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out.txt")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := example().WriteGo(f); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "tool", "benchstat", "-col", "/way", "-filter", ".name:Getrandom", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"native", "patch", "220.56n", "12.19n", "-94."} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("benchstat does not say %q:\n%s", want, out)
		}
	}
}

func ExampleRun_Comparisons() {
	r := example()
	for _, c := range r.Comparisons() {
		fmt.Printf("%s: %.3f of %s\n", c.Figure.Way, c.Ratio.Median, c.Baseline.Way)
	}
	// Output: patch: 0.055 of native
}
