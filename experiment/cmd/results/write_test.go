package main

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sysreflect/sysreflect/experiment/results"
)

func samples(rng *rand.Rand, center float64) (out []float64) {
	for range 40 {
		out = append(out, center*(1+0.01*rng.ExpFloat64()))
	}
	return out
}

// runs are three as `reflect bench` makes them. patch is what a program takes by
// patch, beside native.
func runs(patch float64) (calls, all, program *results.Run) {
	rng := rand.New(rand.NewPCG(1, 2))
	machine := results.Machine{CPU: "CPU", CPUs: 2, Kernel: "6.18.0", LibC: "glibc 2.36"}
	calls = &results.Run{Machine: machine, When: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), Noise: results.Noise{Value: 0.002},
		Command: []string{"reflect", "bench"}, LeftOut: []results.LeftOut{{Way: "sud", Why: "not here"}}}
	add := func(run *results.Run, subject, way, unit string, center float64, params map[string]string) *results.Figure {
		f := results.Figure{Subject: subject, Way: way, Unit: unit, Params: params, Samples: samples(rng, center), Group: subject}
		if way != "native" {
			f.Baseline = "native"
		}
		run.Figures = append(run.Figures, f)
		return &run.Figures[len(run.Figures)-1]
	}
	for _, w := range []struct {
		way      string
		ns, pass float64
	}{{"native", 100, 100}, {"native-again", 100, 100}, {"patch", 0.8, 150}, {"notify", 6000, 6100}} {
		add(calls, "null", w.way, "ns/op", w.ns, nil)
		add(calls, "passthrough", w.way, "ns/op", w.pass, nil)
		add(calls, "tax", w.way, "ns/op", 130, nil)
		f := add(calls, "getrandom", w.way, "ns/op", 120+w.ns, map[string]string{"bytes": "16"})
		f.Steps = []results.Step{{Name: "entry", Cost: 50}, {Name: "work", Cost: 70}}
		add(calls, "spawn", w.way, "µs", 500+w.ns, map[string]string{"what": "start"})
		add(calls, "memory", w.way, "B", 1e5, map[string]string{"of": "program"})
	}
	add(calls, "placed", "notify", "ns/op", 9000, map[string]string{"call": "null"}).Baseline = ""
	whole := func(names ...string) *results.Run {
		run := &results.Run{Machine: machine, Command: []string{"reflect", "bench", "x y"}, Noise: results.Noise{By: map[string]float64{}}}
		for _, n := range names {
			for _, w := range []struct {
				way    string
				factor float64
			}{{"native", 1}, {"none", 1.05}, {"patch", patch}, {"notify", 3}, {"native-again", 1}} {
				for _, of := range []string{"wall", "cpu"} {
					f := add(run, "workload:"+n, w.way, "ms", 50*w.factor, map[string]string{"of": of})
					f.Group = n
				}
				if w.way == "patch" || w.way == "notify" {
					f := add(run, "workload:"+n, w.way, "calls", 1000, map[string]string{"of": "reflected"})
					f.Samples, f.Baseline = []float64{1000}, ""
				}
			}
			run.Noise.By["workload:"+n+" wall"] = 0.01
		}
		return run
	}
	return calls, whole("git status", "walk"), whole("random")
}

func written(patch float64) string {
	var b strings.Builder
	calls, all, program := runs(patch)
	write(&b, calls, all, program)
	return b.String()
}

// The page says what the numbers say.
func TestFollowsFromNumbers(t *testing.T) {
	slow, same := written(1.2), written(1.0)
	for _, want := range []string{
		"takes 101 ns natively", "Not measured: `sud` (not here)", "The same by another process, on the same processor: 6.05 µs (`notify`", "(`notify`, half of windows above 9.0", "(`patch`: 124.8 ± ", "| git status | 1000 |",
		"reflect bench 'x y'", "make results", "All system calls", "The detour by itself costs less than the call",
	} {
		if !strings.Contains(slow, want) {
			t.Errorf("no %q in\n%s", want, slow)
		}
	}
	if !strings.Contains(same, "of 2 programs 0 differ beyond the noise") || strings.Contains(same, "differ beyond the noise") == strings.Contains(slow, "differ beyond the noise") {
		t.Errorf("programs that do not differ:\n%s", same)
	}
	if !regexp.MustCompile(`(?m)^\| git status \| 1000 \| 50\.\d ms \| \+5\.\d % \(\+5\.\d %\) \| \+(19|20)\.\d % `).MatchString(slow) {
		t.Errorf("no row of git status in\n%s", slow)
	}
	// 50 ms times 1.2 less 1.05, through 1000 calls.
	if m := regexp.MustCompile(`(?m)^\| git status \| ([0-9.]+) ± [0-9.]+ µs \| ([0-9.]+) ±`).FindStringSubmatch(slow); m == nil {
		t.Errorf("no price of a call in\n%s", slow)
	} else {
		var patch, notify float64
		fmt.Sscan(m[1], &patch)
		fmt.Sscan(m[2], &notify)
		if patch < 7 || patch > 8 || notify < 96 || notify > 100 {
			t.Errorf("a call costs %v by patch, %v by notify; want 7.5 and 97.5", patch, notify)
		}
	}
}

// Tables have as many cells in each row as in their head, and nothing is no number.
func TestTables(t *testing.T) {
	text := written(1.2)
	columns := 0
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		n := strings.Count(line, "|")
		if columns == 0 {
			columns = n
		}
		if n != columns {
			t.Errorf("%d cells where the head has %d: %s", n-1, columns-1, line)
		}
	}
	if bad := regexp.MustCompile(`NaN|Inf|%!|\?`).FindString(text); bad != "" {
		t.Errorf("%q in\n%s", bad, text)
	}
}

// Runs that were interrupted, or have little in them, are written all the same.
func TestLittle(t *testing.T) {
	var b strings.Builder
	write(&b, &results.Run{}, &results.Run{}, &results.Run{})
	if strings.Contains(b.String(), "%!") {
		t.Error(b.String())
	}
}
