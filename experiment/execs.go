package experiment

import (
	"context"
	"strconv"
)

// Execs compares what executing further programs costs, natively and inside a
// reflected tree: of a child, and of a program that executes itself.
func (b *Bench) Execs(ctx context.Context) ([]*Table, error) {
	const chain = 20
	windows, rounds := b.rounds(24), b.rounds(20)
	tables := []*Table{
		{Key: "ExecTiny", Title: "a further exec: a static program of a few instructions, as a child"},
		{Key: "ExecTrue", Title: "a further exec: " + trueProgram + ", as a child"},
		{Key: "ExecSelf", Title: "a further exec: the static program executes itself " + strconv.Itoa(chain) + " times"},
	}
	programs := [][]string{{b.path("tiny")}, {trueProgram}, {b.path("tiny"), strconv.Itoa(chain)}}
	execs := []float64{1, 1, chain + 1}
	ways := []struct {
		key, name string
		prefix    []string
	}{
		{"native", "native", nil},
		{"reflect", "under reflect run", []string{b.reflect, "run", "--"}},
		{"native-again", "native, again", nil},
	}
	for _, t := range tables {
		t.How = "each value is the median of a window; windows in turn; not pinned"
		t.Unit = Microseconds
		for _, way := range ways {
			t.row(way.key, way.name)
		}
		t.Base, t.Again = t.Rows[0], t.Rows[2]
		t.Claims = []Claim{{Text: "at most 400 µs over native", Of: t.Rows[1], Against: t.Base, Limit: 400e3}}
	}
	for range windows {
		for w, way := range ways {
			runs, err := b.launch(ctx, way.prefix, rounds, programs...)
			if err != nil {
				return nil, err
			}
			for p := range programs {
				var wall []float64
				for _, r := range runs[p] {
					wall = append(wall, r.wall/execs[p])
				}
				tables[p].Rows[w].add(wall...)
			}
		}
	}
	return tables, nil
}
