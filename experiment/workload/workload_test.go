package workload

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sysreflect/sysreflect/experiment/launch"
	"github.com/sysreflect/sysreflect/experiment/results"
	"golang.org/x/sys/unix"
)

// fake is a subject whose times are known: each way's has a factor, and what the
// machine does falls on all ways of a round alike.
func fake(rng *rand.Rand, factors map[string]float64, names ...string) *Subject {
	s := &Subject{Name: prefix + "fake"}
	for _, n := range names {
		w := Way{Name: n}
		if n != Native && n != Again {
			w.flags = []string{}
		}
		s.Ways = append(s.Ways, w)
	}
	s.Once = func(_ context.Context, w *Way) (launch.Result, error) {
		t := time.Duration(1e7 * factors[w.Name] * (1 + 0.002*rng.ExpFloat64()))
		return launch.Result{Wall: t, User: t / 2, System: t / 2, Own: t / 10, Memory: 1 << 20}, nil
	}
	s.Count = func(context.Context, *Way) (uint64, error) { return 42, nil }
	return s
}

func TestMeasure(t *testing.T) {
	s := fake(rand.New(rand.NewPCG(1, 1)), map[string]float64{Native: 1, Again: 1, "same": 1, "slow": 1.05}, Native, "same", "slow", Again)
	m, err := Measure(context.Background(), s, &Schedule{Rounds: 30, Warmup: 1})
	if err != nil {
		t.Fatal(err)
	}
	run := &results.Run{}
	m.Into(run)
	o := Outcomes(run)
	if len(o) != 1 || len(o[0].Rows) != 4 || o[0].Name != "fake" {
		t.Fatalf("%+v", o)
	}
	rows := map[string]Row{}
	for _, r := range o[0].Rows {
		rows[r.Way] = r
	}
	if r := rows["slow"]; !r.Against.Significant() || !r.CPUAgainst.Significant() || !strings.HasSuffix(r.Against.Words(), " slower than native") {
		t.Errorf("slow: %s", r.Against.Words())
	}
	if r := rows["same"]; r.Against.Significant() {
		t.Errorf("same: %s", r.Against.Words())
	}
	if f := rows["slow"].Figures[Calls]; f == nil || f.Samples[0] != 42 || rows[Native].Figures[Calls] != nil || rows[Native].Figures[Supervisor] != nil {
		t.Error("calls are counted, and a supervisor's time known, where the program is reflected and nowhere else")
	}
	var text strings.Builder
	if err := WriteText(&text, run); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(text.String(), "\n")
	if lines[0] != "fake" || !strings.HasPrefix(lines[1], "  same: n.s.") || !strings.HasPrefix(lines[2], "  slow: 5") {
		t.Errorf("the answer does not come first:\n%s", &text)
	}
}

// All ways run once in each round, in orders that differ.
func TestRounds(t *testing.T) {
	s := fake(rand.New(rand.NewPCG(1, 1)), map[string]float64{}, "a", "b", "c")
	var order []string
	inner := s.Once
	s.Once = func(ctx context.Context, w *Way) (launch.Result, error) {
		order = append(order, w.Name)
		return inner(ctx, w)
	}
	s.Count = nil
	if _, err := Measure(context.Background(), s, &Schedule{Rounds: 60}); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i := 0; i < len(order); i += 3 {
		round := order[i : i+3]
		seen[strings.Join(round, "")] = true
		if sorted := slices.Sorted(slices.Values(round)); !slices.Equal(sorted, []string{"a", "b", "c"}) {
			t.Fatalf("round %d: %v", i/3, round)
		}
	}
	if len(seen) != 6 {
		t.Errorf("of 6 orders these were used: %v", slices.Collect(maps.Keys(seen)))
	}
}

// What was measured before an interruption is kept, by whole rounds.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := fake(rand.New(rand.NewPCG(1, 1)), map[string]float64{Native: 1, "a": 1}, Native, "a")
	calls := 0
	inner := s.Once
	s.Once = func(ctx context.Context, w *Way) (launch.Result, error) {
		if calls++; calls == 10 {
			cancel()
			return launch.Result{}, &FailedError{w.Name, unix.WaitStatus(unix.SIGINT)}
		}
		return inner(ctx, w)
	}
	m, err := Measure(ctx, s, &Schedule{Rounds: 100})
	if err != nil || !m.Interrupted || len(m.Runs[0]) != 4 || len(m.Runs[1]) != 4 {
		t.Errorf("%v, interrupted %v, rounds %d and %d", err, m.Interrupted, len(m.Runs[0]), len(m.Runs[1]))
	}
}

func TestFailures(t *testing.T) {
	broken := errors.New("broken")
	for _, drop := range []bool{false, true} {
		s := fake(rand.New(rand.NewPCG(1, 1)), map[string]float64{Native: 1, "a": 1, "b": 1}, Native, "a", "b")
		inner := s.Once
		s.Once = func(ctx context.Context, w *Way) (launch.Result, error) {
			if w.Name == "a" {
				return launch.Result{}, broken
			}
			return inner(ctx, w)
		}
		m, err := Measure(context.Background(), s, &Schedule{Rounds: 7, Drop: drop})
		if !drop {
			if !errors.Is(err, broken) {
				t.Errorf("a way failed: %v", err)
			}
			continue
		}
		run := &results.Run{}
		m.Into(run)
		if err != nil || len(run.LeftOut) != 1 || run.LeftOut[0].Way != "a" || len(m.Runs[2]) != 7 || run.Find(s.Name, "a", map[string]string{Of: Wall}) != nil {
			t.Errorf("dropped: %v, %+v", err, run.LeftOut)
		}
	}
}

func TestSchedule(t *testing.T) {
	for _, tc := range []struct {
		s     Schedule
		round int
		spent time.Duration
		want  bool
	}{
		{Schedule{Rounds: 3}, 2, time.Hour, false}, {Schedule{Rounds: 3}, 3, 0, true},
		{Schedule{Budget: time.Second}, 9, 2 * time.Second, false}, {Schedule{Budget: time.Second}, 10, 2 * time.Second, true},
		{Schedule{Budget: time.Second}, 100, time.Second / 2, false}, {Schedule{Budget: time.Second}, 5, time.Hour, false},
		{Schedule{Budget: time.Second}, 6, 7 * time.Second, true}, {Schedule{Budget: time.Hour}, mostRounds, time.Second, true},
	} {
		if got := tc.s.enough(tc.round, tc.spent); got != tc.want {
			t.Errorf("%+v after %d rounds and %v: %v", tc.s, tc.round, tc.spent, got)
		}
	}
}

func TestParameters(t *testing.T) {
	for text, want := range map[string][]string{
		"n=1:4": {"1", "2", "3", "4"}, "x=0.5:1:0.25": {"0.50", "0.75", "1.00"}, "n=3:3": {"3"}, "n=0:10:5": {"0", "5", "10"},
	} {
		if p, err := ParseScan(text); err != nil || !slices.Equal(p.Values, want) {
			t.Errorf("%s: %v, %v", text, p.Values, err)
		}
	}
	for _, bad := range []string{"n", "n=1", "n=1:x", "n=5:1", "n=1:2:0", "n=1:2:-1", "n=1:1e9", "of=1:2", "=1:2", "n=1:2:3:4", "n=NaN:2"} {
		if p, err := ParseScan(bad); err == nil {
			t.Errorf("%q: %+v", bad, p)
		}
	}
	if p, err := ParseList("cc=gcc,clang"); err != nil || p.Name != "cc" || !slices.Equal(p.Values, []string{"gcc", "clang"}) {
		t.Errorf("%+v, %v", p, err)
	}
	for _, bad := range []string{"cc", "cc=", "=a", "a b=c", "of=1"} {
		if p, err := ParseList(bad); err == nil {
			t.Errorf("%q: %+v", bad, p)
		}
	}
	all, err := Combinations([]Parameter{{"a", []string{"1", "2"}}, {"b", []string{"x", "y"}}})
	if err != nil || len(all) != 4 || all[1]["a"] != "1" || all[1]["b"] != "y" {
		t.Errorf("%v, %v", all, err)
	}
	if _, err := Combinations([]Parameter{{"a", []string{"1"}}, {"a", []string{"2"}}}); err == nil {
		t.Error("a parameter is given twice")
	}
	if none, _ := Combinations(nil); len(none) != 1 {
		t.Errorf("no parameters: %d combinations", len(none))
	}
	if got := Substitute("{a} {b} {{a}} {c}", map[string]string{"a": "{b}", "b": "2"}); got != "{b} 2 {{b}} {c}" {
		t.Errorf("%q", got)
	}
}

// A parameter that stands nowhere would measure one thing twice.
func TestUnused(t *testing.T) {
	o := Options{Parameters: []Parameter{{"n", []string{"1"}}}, Program: Command{Args: []string{"true"}}}
	if err := o.unused(); err == nil {
		t.Error("{n} stands nowhere")
	}
	o.Program.Prepare = "sleep {n}"
	if err := o.unused(); err != nil {
		t.Error(err)
	}
}

// The programs of all-calls do what they are meant to, natively, where they are
// installed.
func TestMacros(t *testing.T) {
	for i, m := range macros() {
		found, err := programs(m.needs)
		if err != nil {
			t.Logf("%s: %v", m.name, err)
			continue
		}
		dir := filepath.Join(t.TempDir(), "work")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		args, err := m.prepare(t.Context(), dir, func(name string) string { return found[name] })
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir, cmd.Env = dir, environment(dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", m.name, err, out)
		}
		// git log says a lot, sqlite how many rows it found; a clean repository nothing.
		if said := len(out) > 0; said != (i == 2 || i == 4) {
			t.Errorf("%s: said %.100q", m.name, out)
		}
	}
}

// What is left out without having been asked for says why; what was asked for and
// can't be had is an error.
func TestWays(t *testing.T) {
	ways, left, err := (&Choice{Policies: []string{"all-calls"}}).Ways(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if ways[0].Name != Native || ways[len(ways)-1].Name != Again || ways[0].Reflected() {
		t.Errorf("%+v", ways)
	}
	i := slices.IndexFunc(left, func(l results.LeftOut) bool { return l.Way == "vdso" })
	if i < 0 || left[i].Why != "mechanism vdso can't serve passthrough" {
		t.Errorf("left out: %+v", left)
	}
	if _, _, err := (&Choice{Policies: []string{"all-calls"}, Mechanisms: []string{"vdso"}}).Ways(t.Context()); err == nil {
		t.Error("vdso can't pass calls through")
	}
	chosen, _, err := (&Choice{Mechanisms: []string{"none", "notify", "notify"}}).Ways(t.Context())
	if err != nil || len(chosen) != 4 {
		t.Fatalf("%+v, %v", chosen, err)
	}
	if got, want := chosen[2].command("/r", []string{"a", "b"}, "-x"), []string{"/r", "run", "-m", "notify", "-x", "--", "a", "b"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := chosen[1].command("/r", []string{"a"}), []string{"/r", "run", "-p", "none", "--", "a"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWanted(t *testing.T) {
	a := AllCalls{Only: []string{"git", "redis"}}
	var got []string
	for _, n := range MacroNames() {
		if a.wanted(n) {
			got = append(got, n)
		}
	}
	if !slices.Equal(got, []string{"git status", "git log -p", redisName}) {
		t.Errorf("%q", got)
	}
}
