package experiment

import (
	"context"
	"fmt"
)

// Signals compares calls that a handler of SIGSYS serves with an empty handler in C,
// and what the calls pay that nobody reflects.
func (b *Bench) Signals(ctx context.Context) ([]*Table, error) {
	under := func(policy string) []string { return []string{b.reflect, "run", "-p", b.path(policy), "--"} }
	type process struct {
		prefix        []string
		how           string
		served, other *Series
	}
	add := func(key, name, how string, prefix ...string) *process {
		return &process{prefix, how, &Series{Key: key, Name: name}, &Series{Key: key, Name: name}}
	}
	native := add("native", "natively", "bare")
	nativeAgain := add("native-again", "natively, again", "bare")
	floor := add("trap-floor", "an empty handler in C, by SECCOMP_RET_TRAP", "trap")
	trap := add("trap", "reflect run, trap", "bare", under("floor/trap.yaml")...)
	again := add("trap-floor-again", "the empty handler by SECCOMP_RET_TRAP, again", "trap")
	dispatched := add("sud-floor", "an empty handler in C, by Syscall User Dispatch", "sud")
	sud := add("sud", "reflect run, sud", "bare", under("floor/sud.yaml")...)
	sudAgain := add("sud-floor-again", "the empty handler by Syscall User Dispatch, again", "sud")
	signals := add("sud-signal", "reflect run, sud, others: signal", "bare", under("floor/sud-signal.yaml")...)
	allow := add("sud-allow", "Syscall User Dispatch, the selector at ALLOW", "allow")
	filtered := add("sud-allow-filter", "the same behind the smallest filter", "allow", b.path("tax"))
	tax := &process{prefix: []string{b.path("tax")}, how: "bare",
		served: &Series{}, other: &Series{Key: "filter", Name: "the smallest filter"}}

	rounds := max(40, b.rounds(100))
	const windows = 12
	for range windows {
		for _, p := range []*process{native, nativeAgain, floor, trap, again, dispatched, sud, sudAgain, signals, allow, filtered, tax} {
			argv := append(p.prefix[:len(p.prefix):len(p.prefix)], b.path("sigsys"), p.how, fmt.Sprint(rounds), "100")
			lines, err := b.numbers(ctx, b.cpu, argv...)
			if err != nil {
				return nil, err
			}
			served, other := make([]float64, len(lines)), make([]float64, len(lines))
			for i, l := range lines {
				if len(l) != 2 {
					return nil, fmt.Errorf("sigsys printed %v", l)
				}
				served[i], other[i] = l[0], l[1]
			}
			p.served.add(served...)
			p.other.add(other...)
		}
	}
	table := func(key, title string, of func(*process) *Series, base, again *process, more ...*process) *Table {
		t := &Table{Key: key, Title: title, Unit: Nanoseconds,
			How: fmt.Sprintf("processes in turn on processor %d; a value is the median of %d windows of 100 calls", b.cpu, rounds)}
		t.Base, t.Again = t.take(of(base)), t.take(of(again))
		for _, p := range more {
			t.take(of(p))
		}
		return t
	}
	ofServed := func(p *process) *Series { return p.served }
	ofOther := func(p *process) *Series { return p.other }
	ratio := func(t *Table, of *process, against *Series) {
		t.Claims = append(t.Claims, Claim{Text: "at most 1.10 times the empty handler", Of: of.served, Against: against, Ratio: true, Limit: 1.10})
	}
	byTrap := table("SigsysTrap", "getppid answered by a constant, in a handler of SIGSYS that a filter asks for", ofServed, floor, again, trap, native)
	ratio(byTrap, trap, floor.served)
	bySUD := table("SigsysSUD", "getppid answered by a constant, in a handler of SIGSYS by Syscall User Dispatch", ofServed, dispatched, sudAgain, sud, native)
	ratio(bySUD, sud, dispatched.served)
	others := table("SigsysOther", "a call that is not reflected: getuid", ofOther, native, nativeAgain, trap, tax, dispatched, allow, filtered, sud, signals)
	dispatched.other.Name = "Syscall User Dispatch, from the range that it lets through"
	others.Claims = []Claim{
		{Text: "under trap: the filter's tax only, within 5 ns", Of: trap.other, Against: tax.other, Limit: 5},
		{Text: "under sud: no more than the selector at ALLOW costs", Of: sud.other, Against: allow.other, Ratio: true, Limit: 1},
		{Text: "under sud: no more than that and a filter", Of: sud.other, Against: filtered.other, Ratio: true, Limit: 1},
	}
	others.Notes = []string{
		"Syscall User Dispatch looks at the address of a call and at one byte, never at its number. So under sud a call",
		"that is not reflected goes to the handler too, until its site is patched: then a stub makes it, in the range",
		"that dispatch lets through. Every run has a filter besides; who has one pays for it in the stub as well.",
	}
	return []*Table{byTrap, bySUD, others}, nil
}
