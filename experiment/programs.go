package experiment

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
)

// pythons are where the interpreter itself is looked for first: a wrapper of
// that name may stand before it in PATH.
var pythons = []string{"/usr/bin/python3", "python3"}

// Programs compares what 16 random bytes cost programs as users have them,
// natively and under reflect run.
func (b *Bench) Programs(ctx context.Context) (tables []*Table, err error) {
	programs := []struct {
		key, title     string
		argv           []string
		windows, calls int
		share          float64 // the target, of the native time; 0 for none
	}{
		// Go looks for the vDSO's function; the others make system calls, by
		// sites that are patched.
		{"CryptoRand", "Go: crypto/rand.Read of 16 bytes", []string{b.path("random-go")}, 200, 1260, 0.5},
		{"GetrandomC", "C: getrandom of 16 bytes", []string{b.path("random")}, 40, 300, 0.1},
	}
	for _, python := range pythons {
		if path, err := exec.LookPath(python); err == nil {
			p := programs[1]
			p.share = 0 // the interpreter's own time is most of it
			p.key, p.title, p.argv = "Urandom", "Python: os.urandom(16)", []string{path, b.path("floor/random.py")}
			programs = append(programs, p)
			break
		}
	}
	ways := []way{
		{"native", "natively", nil},
		{"reflect", "reflect run", []string{b.reflect, "run", "--"}},
		{"native-again", "natively, again", nil},
	}
	for _, p := range programs {
		t := &Table{Key: p.key, Title: p.title, Unit: Nanoseconds}
		t.How = fmt.Sprintf("windows of %d calls; a value is the median of a process's windows; processes in turn; all on processor %d",
			p.calls, b.cpu)
		for _, w := range ways {
			t.row(w.key, w.name)
		}
		for range b.rounds(20) {
			for i, w := range ways {
				argv := append(w.prefix[:len(w.prefix):len(w.prefix)], p.argv...)
				argv = append(argv, strconv.Itoa(p.windows), strconv.Itoa(p.calls))
				values, err := b.column(ctx, b.cpu, argv...)
				if err != nil {
					return nil, err
				}
				t.Rows[i].add(values...)
			}
		}
		t.Base, t.Again = t.Rows[0], t.Rows[2]
		if p.share > 0 {
			t.Claims = []Claim{{Text: fmt.Sprintf("at most %.1f of the time", p.share), Of: t.Rows[1], Against: t.Base, Ratio: true, Limit: p.share}}
		}
		tables = append(tables, t)
	}
	return tables, nil
}
