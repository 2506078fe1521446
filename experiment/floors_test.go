package experiment

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

// built are the measuring programs, built once. Where a reflected run would be
// measured, the tests run the program by itself.
var built = sync.OnceValues(func() (_ *Bench, err error) {
	shared, err = New(context.Background(), "/bin/true")
	return shared, err
})

var shared *Bench

func TestMain(m *testing.M) {
	status := m.Run()
	if shared != nil {
		shared.Close()
	}
	os.Exit(status)
}

func bench(t *testing.T) *Bench {
	t.Helper()
	b, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestNoCompiler(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if b, err := New(t.Context(), "/bin/true"); !errors.Is(err, ErrCompiler) {
		if err == nil {
			b.Close()
		}
		t.Errorf("without gcc: %v", err)
	}
}

func TestProbe(t *testing.T) {
	b := bench(t)
	for _, c := range []struct {
		name, call string
		cpu        int
		prefix     []string
		least      float64 // nanoseconds that no machine beats
	}{
		{"native", "getppid", anywhere, nil, 10},
		{"pinned", "getppid", b.cpu, nil, 10},
		{"filter", "getppid", b.cpu, []string{b.path("tax")}, 10},
		{"native", "getrandom", anywhere, nil, 50},
		// Two switches of context, at the very least.
		{"notified", "getrandom", b.cpu, []string{b.path("notify")}, 500},
		{"notified, not pinned", "getrandom", anywhere, []string{b.path("notify")}, 500},
		{"traced", "getrandom", b.cpu, []string{b.path("ptrace")}, 500},
		{"traced, all", "getrandom", b.cpu, []string{b.path("ptrace_all"), "once"}, 500},
		{"traced, twice", "getrandom", b.cpu, []string{b.path("ptrace_all"), "twice"}, 1000},
		{"traced, all", "getppid", b.cpu, []string{b.path("ptrace_all"), "once"}, 1000},
	} {
		t.Run(c.name+" "+c.call, func(t *testing.T) {
			values, err := b.probe(t.Context(), c.cpu, c.call, 10, 50, c.prefix...)
			if err != nil {
				t.Fatal(err)
			}
			if len(values) != 9 { // a tenth is warm-up
				t.Errorf("%d values, want 9", len(values))
			}
			if least := slices.Min(values); least < c.least || least > 1e7 {
				t.Errorf("%v ns per call is not believable", least)
			}
		})
	}
}

// The filter of tax must be one that answers: a typing error in its jumps would
// measure something else.
func TestTaxFilters(t *testing.T) {
	b := bench(t)
	if _, err := b.probe(t.Context(), anywhere, "getrandom", 10, 10, b.path("tax")); err == nil {
		t.Error("getrandom was not refused")
	}
}

// Each way is the one that it is called: none costs less than what it must do, and
// a generator in the program costs less than a system call.
func TestGenerator(t *testing.T) {
	b := bench(t)
	ours, err := b.ours()
	if err != nil {
		t.Fatal(err)
	}
	if len(ours) == 0 || ours[len(ours)-1].key != "scalar" {
		t.Fatalf("block functions: %v", ours)
	}
	reflected := strings.Replace(ours[0].way, "entry", "reflected", 1)
	ways := append([]asked{{"loop", "loop"}, {"call", "call"}, {"kernel", "kernel"}, {"again", "kernel"}, {"own", "own"},
		{"reflected", reflected}}, ours...)
	for _, c := range []struct{ bytes, threads, rounds, microseconds int }{
		{1, 0, 40, 10}, {16, 0, 40, 10}, {2017, 0, 40, 10}, {65536, 0, 5, 10}, {16, 4, 4, 5000}, {100, 100, 3, 50000},
	} {
		g := &Grid{}
		table := &Table{}
		if err := b.generators(t.Context(), g, table, c.bytes, c.threads, c.rounds, c.microseconds, ways); err != nil {
			t.Fatal(err)
		}
		least := func(key string) float64 { return table.series(key).Min }
		if least("loop") < 0.2 || least("loop") > 100 {
			t.Errorf("%+v: the loop takes %v ns", c, least("loop"))
		}
		if least("call") < 50 {
			t.Errorf("%+v: a system call takes %v ns", c, least("call"))
		}
		for _, w := range ways[1:] {
			if v := least(w.key); v <= least("loop") {
				t.Errorf("%+v: %s takes %v ns, an empty function %v", c, w.key, v, least("loop"))
			}
		}
		if c.bytes == 16 && c.threads == 0 && (least("own") > least("call") || least(ours[0].key) > least("call")) {
			t.Errorf("%+v: own %v ns, %s %v ns, system call %v ns", c, least("own"), ours[0].key, least(ours[0].key), least("call"))
		}
	}
}

func TestRandom(t *testing.T) {
	b := bench(t)
	argv := [][]string{{b.path("random-go")}, {b.path("random")}}
	if path, err := exec.LookPath(pythons[0]); err == nil {
		argv = append(argv, []string{path, b.path("floor/random.py")})
	}
	for _, a := range argv {
		values, err := b.column(t.Context(), anywhere, append(a, "10", "50")...)
		if err != nil {
			t.Fatal(err)
		}
		if len(values) != 9 || slices.Min(values) < 5 || slices.Min(values) > 1e6 {
			t.Errorf("%v: %v", a, values)
		}
	}
}

func TestLaunch(t *testing.T) {
	b := bench(t)
	runs, err := b.launch(t.Context(), nil, 5, []string{trueProgram}, []string{b.path("tiny"), "20"})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range runs {
		if len(r) != 5 {
			t.Errorf("program %d: %d runs, want 5", i, len(r))
		}
		for _, x := range r {
			if x.wall < 1e4 || x.wall > 1e10 || x.cpu > 10*x.wall+1e7 {
				t.Errorf("program %d: %v is not believable", i, x)
			}
		}
	}
	if _, err := b.launch(t.Context(), nil, 1, []string{"/bin/false"}); err == nil {
		t.Error("a program that failed was measured")
	}
}

func TestHerd(t *testing.T) {
	b := bench(t)
	err := b.herd(t.Context(), 3, nil, func(top int, children []int) error {
		up, err := parent(children[0])
		if err == nil && up != top {
			t.Errorf("parent %d, want %d", up, top)
		}
		w, err := weigh(children[0])
		if w.threads != 1 || w.fds < 4 || w.proportional == 0 {
			t.Errorf("a process weighs %+v", w)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
