package experiment

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	netbpf "golang.org/x/net/bpf"

	"github.com/sysreflect/sysreflect/supervisor"
)

// Each way is the one that it is called, with and without filters.
func TestSites(t *testing.T) {
	b := bench(t)
	code, err := b.equal(passPolicy)
	if err != nil {
		t.Fatal(err)
	}
	same, err := b.filter("equal.filter", code)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		run  siteRun
	}{
		{"no filter", siteRun{filter: "-"}},
		{"smallest filter", siteRun{filter: "-", prefix: []string{b.path("tax")}}},
		{"equal verdict", siteRun{filter: same}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := c.run
			empty := r.ask("", "", "empty")
			function := r.ask("", "", "syscall:empty")
			calls := []*Series{r.ask("", "", "getppid"), r.ask("", "", "getuid"), r.ask("", "", "syscall:getppid")}
			if c.run.prefix == nil { // that filter refuses getrandom
				calls = append(calls, r.ask("", "", "getrandom"+sixteen), r.ask("", "", "syscall:getrandom"+sixteen))
				r.ask("", "", "vdso"+sixteen)
			}
			if err := b.sites(t.Context(), 1, 40, &r); err != nil {
				t.Fatal(err)
			}
			if empty.Min <= 0 || empty.Min > 5 || function.Min < empty.Min || function.Min > 20 {
				t.Errorf("a loop takes %v ns, one that calls a function %v", empty.Min, function.Min)
			}
			for i, s := range calls {
				if s.Min < 30 || s.Min > 1e5 {
					t.Errorf("%v takes %v ns", r.ways[i], s.Min)
				}
			}
		})
	}
}

// What a call returns is looked at: a constant can't be taken for the system call.
func TestSitesResult(t *testing.T) {
	b := bench(t)
	for _, way := range []string{"getppid" + constant, "syscall:getppid" + constant, "getrandom=15", "vdso=15", "unknown"} {
		r := &siteRun{filter: "-"}
		r.ask("", "", way)
		if err := b.sites(t.Context(), 1, 40, r); err == nil {
			t.Errorf("%s was measured", way)
		}
	}
	r := &siteRun{filter: b.path("no such filter")}
	r.ask("", "", "empty")
	if err := b.sites(t.Context(), 1, 40, r); err == nil {
		t.Error("without its filter")
	}
}

// The filter of a run asks where passed calls come from. Under one that exempts
// another place nobody can answer, so the call fails.
func TestEqualFilterTellsAddresses(t *testing.T) {
	b := bench(t)
	code, err := b.equal(passPolicy)
	if err != nil {
		t.Fatal(err)
	}
	other := slices.Clone(code)
	moved := 0
	for i := range other {
		const load, ip, jump = 0x20, 8, 0x05
		if other[i].Op == load && other[i].K == ip { // the pointer's lower half
			for k := i + 1; k < len(other) && other[k].Op&7 == jump; k++ {
				other[k].K += 1 << 28
				moved++
			}
		}
	}
	if moved == 0 {
		t.Fatalf("no pointer is tested: %v", code)
	}
	parent := "getppid=" + strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		name string
		code []netbpf.RawInstruction
		fine bool
	}{{"equal.filter", code, true}, {"moved.filter", other, false}} {
		path, err := b.filter(c.name, c.code)
		if err != nil {
			t.Fatal(err)
		}
		r := &siteRun{filter: path}
		r.ask("", "", parent)
		if err := b.sites(t.Context(), 1, 40, r); (err == nil) != c.fine {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestFirst(t *testing.T) {
	b := bench(t)
	lines, err := b.numbers(t.Context(), anywhere, b.path("first"))
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != 1 || len(lines[0]) != 1+firstCalls {
		t.Fatalf("%v", lines)
	}
	for _, ns := range lines[0][1:] {
		if ns < 30 || ns > 1e8 {
			t.Errorf("a call takes %v ns", ns)
		}
	}
	w, err := b.weighFirst(t.Context(), nil)
	if err != nil || w.threads != 1 || w.proportional == 0 {
		t.Errorf("%+v, %v", w, err)
	}
}

func TestCoverage(t *testing.T) {
	p, n := mechanisms(supervisor.Counters{Calls: []supervisor.CallCount{
		{Mechanism: "patch", Count: 90}, {Mechanism: "notify", Count: 6}, {Mechanism: "vdso", Count: 1000}, {Mechanism: "patch", Count: 4},
	}})
	some := &coverage{key: "k", name: "some", policy: "p", patched: p, notified: n, sites: []supervisor.Site{
		{Module: "/lib/libc.so.6", Offset: 0x10, Calls: []string{"read"}, Notified: 6, Why: "because"}}}
	var text strings.Builder
	(&Coverage{Rows: []*coverage{some, {name: "none", policy: "p"}}}).Text(&text)
	for _, want := range []string{"94.00 %: missed", "libc.so.6+0x10", "because", "none made no such call"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &text)
		}
	}
}

// Programs are what they are called, and end by themselves.
func TestSubjects(t *testing.T) {
	b := bench(t)
	all, err := b.subjects(t.Context(), 0.2)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.load != nil {
			continue
		}
		if err := command(t.Context(), s.argv[0], s.argv[1:]...); err != nil {
			t.Errorf("%s: %v", s.key, err)
		}
	}
	if _, err := os.Stat(b.path("raw")); err != nil {
		t.Error(err)
	}
	if err := command(t.Context(), b.path("raw"), "10"); err != nil {
		t.Error(err)
	}
	if err := command(t.Context(), b.path("raw"), "none"); err == nil {
		t.Error("raw took a word for a number")
	}
}
