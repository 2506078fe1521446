package results

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// two runs of one machine, the second on another kernel whose calls take factor
// times as long, reflected ones as long as before.
func twoRuns(factor float64) (a, b *Run) {
	rng := rand.New(rand.NewPCG(9, 10))
	make := func(native float64) *Run {
		return run(
			Figure{Subject: "null", Way: "native", Unit: "ns/op", Group: "g", Samples: samples(rng, 40, native)},
			Figure{Subject: "null", Way: "patch", Unit: "ns/op", Group: "g", Baseline: "native", Samples: samples(rng, 40, 2)},
		)
	}
	a, b = make(100), make(100*factor)
	a.Machine.Kernel, b.Machine.Kernel = "6.12.0", "6.18.0"
	a.Machine.Mitigations = map[string]string{"meltdown": "Mitigation: PTI"}
	b.Machine.Mitigations = map[string]string{"meltdown": "Not affected", "vmscape": "Not affected"}
	a.Machine.Busy, b.Machine.Busy = 0.001, 0.004
	return a, b
}

func TestCompareRuns(t *testing.T) {
	a, b := twoRuns(1.5)
	a.Figures = append(a.Figures, Figure{Subject: "tax", Way: "native", Unit: "ns/op", Samples: []float64{1}})
	b.Figures = append(b.Figures, Figure{Subject: "spawn", Way: "native", Unit: "ms", Samples: []float64{1}},
		Figure{Subject: "memory", Way: "native", Unit: "B", Samples: []float64{1}})
	a.Figures = append(a.Figures, Figure{Subject: "memory", Way: "native", Unit: "KiB", Samples: []float64{1}})
	both, onlyA, onlyB := CompareRuns(a, b)
	if len(both) != 2 {
		t.Fatalf("%d figures in both", len(both))
	}
	native, patch := both[0], both[1]
	if !native.Significant() || math.Abs(native.Ratio.Median-1.5) > 0.03 || native.Relative.N != 0 {
		t.Errorf("native: %+v", native)
	}
	if patch.Significant() || math.Abs(patch.Relative.Median-1/1.5) > 0.03 || patch.Relative.Hi >= 1 {
		t.Errorf("patch: %+v", patch)
	}
	if w := native.Words(); !strings.HasSuffix(w, " slower than before") {
		t.Errorf("native: %s", w)
	}
	if !slices.Equal(onlyA, []string{"memory/native in KiB", "tax/native"}) || !slices.Equal(onlyB, []string{"spawn/native", "memory/native in B"}) {
		t.Errorf("only in the first %v, only in the second %v", onlyA, onlyB)
	}
}

func TestDifferences(t *testing.T) {
	a, b := twoRuns(1)
	want := []Difference{
		{"kernel", "6.12.0", "6.18.0"},
		{"mitigation meltdown", "Mitigation: PTI", "Not affected"},
		{"mitigation vmscape", "unknown", "Not affected"},
	}
	if got := Differences(a, b); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	b.Machine.Busy = 0.3
	if got := Differences(a, b); got[len(got)-1] != (Difference{"used by others before", "0.1 %", "30.0 %"}) {
		t.Errorf("%v", got)
	}
	if got := Differences(a, a); len(got) != 0 {
		t.Errorf("a run differs from itself: %v", got)
	}
}

// Of pairs of runs between which nothing changed, hardly any has a difference.
func TestAcrossFamily(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	wrong := 0
	const pairs = 200
	for range pairs {
		var a, b Run
		for i := range 20 {
			way := string(rune('a' + i))
			a.Figures = append(a.Figures, Figure{Subject: "null", Way: way, Samples: samples(rng, 20, 100)})
			b.Figures = append(b.Figures, Figure{Subject: "null", Way: way, Samples: samples(rng, 20, 100)})
		}
		both, _, _ := CompareRuns(&a, &b)
		if slices.ContainsFunc(both, func(x Across) bool { return x.Significant() }) {
			wrong++
		}
	}
	if wrong > 22 { // 10 expected at most, and four standard deviations
		t.Errorf("%d of %d pairs without a difference have one", wrong, pairs)
	}
}

func TestWriteCompared(t *testing.T) {
	a, b := twoRuns(1.5)
	var out strings.Builder
	if err := WriteCompared(&out, a, b, true); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"not alike", "6.12.0", "null/native", "slower than before", "n.s. (", "1 of 2 figures differ"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	if strings.Index(out.String(), "6.18.0") > strings.Index(out.String(), "null/native") {
		t.Error("figures stand before what the runs were not alike in")
	}
	out.Reset()
	if err := WriteCompared(&out, a, a, false); err != nil || !strings.Contains(out.String(), "0 of 2 figures differ") ||
		strings.Contains(out.String(), "null/patch") {
		t.Errorf("%v, a run against itself:\n%s", err, &out)
	}
}

func TestCommandLine(t *testing.T) {
	if got, want := CommandLine([]string{"sh", "-c", "echo 'a b'", "", "x=1"}), `sh -c 'echo '\''a b'\''' '' x=1`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestFingerprint(t *testing.T) {
	h := fnv.New64a()
	h.Write([]byte("version: 1\n"))
	if got, want := Fingerprint("version: 1\n"), strconv.FormatUint(h.Sum64(), 16); got != want {
		t.Errorf("%s, package fnv says %s", got, want)
	}
}

// What is there for others alone is not compared; what changed beside its own baseline
// weighs most. Runs of different numbers of sessions compare as any.
func TestAcrossWeighs(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 16))
	measured := func(sessions int, slower, patch float64) *Run {
		r := &Run{}
		add := func(subject, way, baseline string, v float64) {
			f := Figure{Subject: subject, Way: way, Baseline: baseline, Unit: "ns/op", Group: "calls"}
			for range sessions {
				s := samples(rng, 4, v*slower)
				f.Samples, f.Sessions = append(f.Samples, s...), append(f.Sessions, Summarize(s).Median)
			}
			r.Figures = append(r.Figures, f)
		}
		add("harness", "harness", "", 0.25)
		add("null", "native", "", 100)
		add("null", "native-again", "native", 100)
		add("null", "notify", "native", 8000)
		add("null", "patch", "native", patch)
		return r
	}
	both, onlyA, onlyB := CompareRuns(measured(10, 1, 1), measured(70, 1.5, 1.2))
	if len(both) != 3 || len(onlyA)+len(onlyB) != 0 {
		t.Fatalf("%d figures, %v, %v", len(both), onlyA, onlyB)
	}
	of := map[string]Across{}
	for _, x := range both {
		of[x.Figure.Way] = x
		if !x.Significant() {
			t.Errorf("%s: half as much again is no difference: %+v", x.Figure.Way, x.Ratio)
		}
	}
	patch, notify := of["patch"], of["notify"]
	if r := patch.Relative; r.Lo > 1.2 || r.Hi < 1.2 || r.Lo < 1.1 || r.Hi > 1.3 {
		t.Errorf("patch, relative: %+v", r)
	}
	if r := notify.Relative; r.Lo > 1 || r.Hi < 1 || r.Hi-r.Lo > 0.1 {
		t.Errorf("notify, relative: %+v", r)
	}
	if patch.Weight() <= notify.Weight() {
		t.Errorf("patch weighs %v, notify %v", patch.Weight(), notify.Weight())
	}
}
