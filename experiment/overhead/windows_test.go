package overhead

import (
	"slices"
	"testing"

	"github.com/sysreflect/sysreflect/experiment/meter"
	"github.com/sysreflect/sysreflect/experiment/results"
)

// What takes little has more windows in a round, in any order, and one sample of them: the
// mean of the middle half. Everything else has one.
func TestLittleHasMoreWindows(t *testing.T) {
	small, large := &task{times: littleTimes, calls: 1}, &task{calls: 1}
	small.figure.Subject, large.figure.Subject = "null", "getrandom"
	small.by, large.by = &contestant{name: "a"}, &contestant{name: "b"}
	b := &bench{tasks: []*task{small, large}}
	for b.rounds = range 3 {
		order := b.order(nil, false)
		if back := b.order(order, true); len(back) != len(order) || back[0] != order[len(order)-1] {
			t.Error("the way back is another")
		}
		n := 0
		for _, of := range order {
			if of == small {
				n++
			}
		}
		if n != littleTimes || len(order) != littleTimes+1 {
			t.Errorf("%d windows of %d are its own", n, len(order))
		}
		const alone, shared = 10, 15
		window := func(of *task, cycles int, pulse uint64) {
			of.take(windowed{Sample: meter.Sample{Cycles: uint64(cycles), Pulse: pulse}}, b.rounds, alone)
		}
		for _, cycles := range []int{3, 90, 1, 2, 5, 80, 8, 4} { // 3, 4, 5 and 8 are in the middle
			window(small, cycles+b.rounds, alone)
		}
		if b.rounds == 2 { // some say nothing then
			window(small, 6, shared)
			window(small, 7, shared)
			window(small, 70, shared)
		}
		window(large, 5, shared)
	}
	if !slices.Equal(small.cycles, []float64{5, 6, 7}) || !slices.Equal(large.cycles, []float64{5, 5, 5}) {
		t.Errorf("samples %v and %v", small.cycles, large.cycles)
	}
}

// meters returns what begins a contestant: a meter that runs natively, whatever it is called.
func meters(t *testing.T) func(mechanism string) *contestant {
	t.Helper()
	files, err := meter.Write()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		files.Remove()
		files.Once.Close()
	})
	return func(mechanism string) *contestant {
		m, err := meter.Start(mechanism, []string{files.Static}, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Close)
		return &contestant{name: mechanism, mechanism: mechanism, running: running{m: m}}
	}
}

// What one supervisor serves has as many samples as everything else, those of two rounds in the
// first of them; and what fails is dropped, with all that it has a part in.
func TestServedTogether(t *testing.T) {
	begin := meters(t)
	plain, served := begin(""), begin("notify")
	b := &bench{run: &results.Run{}, hz: 1e9, contestants: []*contestant{plain, served}}
	for _, by := range b.contestants {
		for _, way := range []meter.Way{meter.Getppid, meter.Getuid} {
			b.tasks = append(b.tasks, &task{by: by, call: "getppid", way: way, calls: 8, each: 1e6})
		}
	}
	var order []*task
	for n := range 4 {
		back := n%2 == 1
		order = b.order(order, back)
		if !b.round(t.Context(), order, back) {
			t.Fatal("interrupted")
		}
		b.rounds++
		for _, of := range b.tasks {
			want := b.rounds
			if of.by == served && !back {
				want++
			}
			if len(of.cycles) != want {
				t.Errorf("round %d: %d samples by %q, want %d", n, len(of.cycles), of.by.name, want)
			}
		}
	}
	served.m.Close()
	order = b.order(nil, false)
	if b.round(t.Context(), order, false); len(b.contestants) != 1 || len(b.tasks) != 2 || len(b.tasks[0].cycles) != 5 {
		t.Errorf("%d contestants, %d tasks are left", len(b.contestants), len(b.tasks))
	}
}
