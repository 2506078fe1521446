package overhead

import (
	"slices"
	"strings"
	"testing"

	"github.com/sysreflect/sysreflect/experiment/results"
)

// Both ways that a supervisor is woken are to be seen, beside what it takes on one processor,
// within the width of a mail.
func TestPlaced(t *testing.T) {
	r := example()
	f := results.Figure{Subject: placed, Way: "notify", Unit: "ns/op", Group: "calls", Params: map[string]string{"call": "null"}}
	for i := range 100 {
		v := 4100.0
		if i%3 == 0 {
			v = 48000
		}
		f.Samples = append(f.Samples, v)
	}
	far := f
	far.Way, far.Params = "ptrace-all", map[string]string{"call": "passthrough"}
	r.Figures = append(r.Figures, f, far)
	got := text(t, r, TextOptions{})
	for _, want := range []string{
		"                         one CPU    5 %   25 %   50 %   75 %   95 %\n",
		"  null notify               4000   4100   4100   4100  48000  48000\n",
		"  passthrough ptrace-all       -   4100   4100   4100  48000  48000\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no line %q in\n%s", want, got)
		}
	}
	for line := range strings.Lines(got) {
		if len([]rune(line)) > Width+1 {
			t.Errorf("%q is too wide", line)
		}
	}
	if strings.Contains(text(t, example(), TextOptions{}), "where the kernel puts it") {
		t.Error("a table of nothing")
	}
}

// Only what serves elsewhere is measured twice, and only where supervisors are pinned; its
// tasks stand in no other subject.
func TestPlaces(t *testing.T) {
	b := &bench{o: Options{Subjects: Subjects()}}
	if b.places("patch") || !b.places("notify") || !b.places("ptrace-all") {
		t.Error("which mechanisms")
	}
	for _, o := range []Options{{Subjects: Subjects(), Free: true}, {Subjects: Subjects(), Threads: 4}, {Subjects: []string{"time"}}} {
		if b.o = o; b.places("notify") {
			t.Errorf("%+v", o)
		}
	}
	served := &task{by: &contestant{mechanism: "ptrace", placed: true}, call: "getppid", figure: results.Figure{Subject: placed, Group: "calls"}}
	if !served.served() || inner(&served.figure) || served.tells() {
		t.Error("a figure of calls that is known or not")
	}
	if slices.Contains(Subjects(), placed) {
		t.Error("it can't be asked for alone")
	}
}
