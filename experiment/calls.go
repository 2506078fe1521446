package experiment

import (
	"context"
	"fmt"
)

// A way is how the probe is run: by itself, or by something before it.
type way struct {
	key, name string
	prefix    []string
}

// probes runs the probe in each way in turn.
func (b *Bench) probes(ctx context.Context, t *Table, cpu int, call string, rounds, windows, calls int, ways []way) error {
	for _, w := range ways {
		t.row(w.key, w.name)
	}
	t.How = fmt.Sprintf("raw system calls; windows of %d calls; a value is the median of %d windows of one process; processes in turn; ",
		calls, windows-windows/10)
	if cpu == anywhere {
		t.How += "not pinned"
	} else {
		t.How += fmt.Sprintf("all on processor %d", cpu)
	}
	for range rounds {
		for i, w := range ways {
			values, err := b.probe(ctx, cpu, call, windows, calls, w.prefix...)
			if err != nil {
				return err
			}
			t.Rows[i].add(values...)
		}
	}
	return nil
}

// Notify compares a notification that a Go handler answers with one that the
// least possible supervisor in C answers: on one processor, and wherever the
// kernel puts the two.
func (b *Bench) Notify(ctx context.Context) ([]*Table, error) {
	c := []string{b.path("notify")}
	ways := []way{
		{"c", "a minimal supervisor in C", c},
		{"reflect", "reflect run -m notify", []string{b.reflect, "run", "-m", "notify", "--"}},
		{"c-again", "a minimal supervisor in C, again", c},
		{"native", "natively (the kernel's answer)", nil},
	}
	var tables []*Table
	for _, place := range []struct {
		key, title string
		cpu        int
	}{
		{"NotifyPinned", "getrandom(16) by notification, on one processor", b.cpu},
		{"NotifyFree", "getrandom(16) by notification, not pinned", anywhere},
	} {
		t := &Table{Key: place.key, Title: place.title, Unit: Fine}
		if err := b.probes(ctx, t, place.cpu, "getrandom", b.rounds(16), 40, 300, ways); err != nil {
			return nil, err
		}
		t.Base, t.Again = t.Rows[0], t.Rows[2]
		t.Claims = []Claim{{Text: "at most 1.25 times the one in C", Of: t.Rows[1], Against: t.Base, Ratio: true, Limit: 1.25}}
		tables = append(tables, t)
	}
	return tables, nil
}

// Tax compares what a call that is not reflected pays.
func (b *Bench) Tax(ctx context.Context) (*Table, error) {
	t := &Table{Key: "Tax", Title: "a call that is not reflected: getppid", Unit: Nanoseconds}
	err := b.probes(ctx, t, b.cpu, "getppid", b.rounds(20), 30, 20000, []way{
		{"native", "no filter", nil},
		{"filter", "the smallest filter (8 instructions)", []string{b.path("tax")}},
		{"reflect", "reflect run", []string{b.reflect, "run", "--"}},
		{"native-again", "no filter, again", nil},
	})
	if err != nil {
		return nil, err
	}
	t.Base, t.Again = t.Rows[0], t.Rows[3]
	t.Claims = []Claim{{Text: "no more than the smallest filter", Of: t.Rows[2], Against: t.Rows[1], Equal: true}}
	return t, nil
}
