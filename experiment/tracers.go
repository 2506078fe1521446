package experiment

import "context"

// Ptrace compares a tracer's stop that a Go handler answers with one that the least
// possible tracer in C answers, on one processor and wherever the kernel puts the
// two; and what a call pays that nobody reflects.
func (b *Bench) Ptrace(ctx context.Context) ([]*Table, error) {
	run := func(mechanism string) []string { return []string{b.reflect, "run", "-m", mechanism, "--"} }
	asked := []string{b.path("ptrace")}
	once, twice := []string{b.path("ptrace_all"), "once"}, []string{b.path("ptrace_all"), "twice"}
	const limit = "at most 1.20 times the one in C"
	var tables []*Table
	for _, part := range []struct {
		key, title, call string
		cpu              int
		ways             []way // the first in C, the second ours
	}{
		{"PtracePinned", "getrandom(16) by ptrace, on one processor", "getrandom", b.cpu, []way{
			{"c", "a minimal tracer in C, asked by a filter", asked},
			{"reflect", "reflect run -m ptrace", run("ptrace")},
			{"c-again", "the one in C, again", asked},
		}},
		{"PtraceFree", "getrandom(16) by ptrace, not pinned", "getrandom", anywhere, []way{
			{"c", "a minimal tracer in C, asked by a filter", asked},
			{"reflect", "reflect run -m ptrace", run("ptrace")},
			{"c-again", "the one in C, again", asked},
		}},
		{"PtraceAllPinned", "getrandom(16) by ptrace-all, on one processor", "getrandom", b.cpu, []way{
			{"c", "a minimal tracer in C, one stop a call (PTRACE_SYSEMU)", once},
			{"reflect", "reflect run -m ptrace-all", run("ptrace-all")},
			{"c-again", "the one in C, again", once},
			{"c-twice", "in C, two stops a call (PTRACE_SYSCALL)", twice},
		}},
		{"PtraceAllFree", "getrandom(16) by ptrace-all, not pinned", "getrandom", anywhere, []way{
			{"c", "a minimal tracer in C, one stop a call (PTRACE_SYSEMU)", once},
			{"reflect", "reflect run -m ptrace-all", run("ptrace-all")},
			{"c-again", "the one in C, again", once},
			{"c-twice", "in C, two stops a call (PTRACE_SYSCALL)", twice},
		}},
		{"PtraceAllTax", "a call that is not reflected, under ptrace-all: getppid", "getppid", b.cpu, []way{
			{"c", "a minimal tracer in C (PTRACE_SYSCALL)", twice},
			{"reflect", "reflect run -m ptrace-all", run("ptrace-all")},
			{"c-again", "the one in C, again", twice},
			{"filter", "reflect run -m ptrace: the filter's tax only", run("ptrace")},
		}},
	} {
		t := &Table{Key: part.key, Title: part.title, Unit: Fine}
		if err := b.probes(ctx, t, part.cpu, part.call, b.rounds(12), 40, 200, part.ways); err != nil {
			return nil, err
		}
		t.Base, t.Again = t.Rows[0], t.Rows[2]
		t.Claims = []Claim{{Text: limit, Of: t.Rows[1], Against: t.Base, Ratio: true, Limit: 1.20}}
		tables = append(tables, t)
	}
	return tables, nil
}
