package experiment

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"

	netbpf "golang.org/x/net/bpf"

	"github.com/sysreflect/sysreflect/bpf"
	"github.com/sysreflect/sysreflect/policy"
)

// The policies of the measurements, and the program's result where they make it.
const (
	constantPolicy = "floor/constant.yaml"
	passPolicy     = "floor/pass.yaml"
	constant       = "=7"
	sixteen        = "=16"
)

// A siteRun is one process of floor/sites.c: what stands around it, and the ways
// that it measures in turn.
type siteRun struct {
	prefix []string
	filter string // a file's path, "-" for none
	ways   []string
	series []*Series // one for each way
}

// ask adds a way; the same one twice is measured twice.
func (r *siteRun) ask(key, name, way string) *Series {
	s := &Series{Key: key, Name: name}
	r.ways = append(r.ways, way)
	r.series = append(r.series, s)
	return s
}

// sites measures all runs in turn.
func (b *Bench) sites(ctx context.Context, processes, rounds int, runs ...*siteRun) error {
	for range processes {
		for _, r := range runs {
			argv := append(r.prefix[:len(r.prefix):len(r.prefix)], b.path("sites"), r.filter, fmt.Sprint(rounds), "20")
			lines, err := b.numbers(ctx, b.cpu, append(argv, r.ways...)...)
			if err != nil {
				return err
			}
			for i, s := range r.series {
				timed := make([]float64, len(lines))
				for k, l := range lines {
					if len(l) != len(r.ways) {
						return fmt.Errorf("sites printed %v", l)
					}
					timed[k] = l[i]
				}
				s.add(timed...)
			}
		}
	}
	return nil
}

// equal is the filter that a policy gives its programs, for the measuring program
// by itself: its own code stands where the stubs do, so the kernel decides its
// calls by the same instructions.
func (b *Bench) equal(source string) ([]netbpf.RawInstruction, error) {
	plan, err := policy.Load(b.path(source))
	if err != nil {
		return nil, err
	}
	f, err := elf.Open(b.path("sites"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text := f.Section(".text")
	if text == nil {
		return nil, fmt.Errorf("%s: no code", f.Type)
	}
	const gate = 0x10000 // below, as it is in a run
	p, err := bpf.Compile(plan, bpf.Exempt{Gate: gate, Stubs: text.Addr, StubsEnd: text.Addr + text.Size})
	if err != nil {
		return nil, err
	}
	return p.Main, nil
}

// filter writes a filter to a file.
func (b *Bench) filter(name string, code []netbpf.RawInstruction) (string, error) {
	var out bytes.Buffer
	if err := binary.Write(&out, binary.LittleEndian, code); err != nil {
		return "", err
	}
	return b.path(name), os.WriteFile(b.path(name), out.Bytes(), 0o600)
}

// Sites compares what patched system call instructions cost with native ones.
func (b *Bench) Sites(ctx context.Context) ([]*Table, error) {
	code, err := b.equal(passPolicy)
	if err != nil {
		return nil, err
	}
	same, err := b.filter("equal.filter", code)
	if err != nil {
		return nil, err
	}
	under := func(policy string) []string { return []string{b.reflect, "run", "-p", b.path(policy), "--"} }

	native := &siteRun{filter: "-"}
	tax := &siteRun{filter: "-", prefix: []string{b.path("tax")}}
	run := &siteRun{filter: same}
	constants := &siteRun{filter: "-", prefix: under(constantPolicy)}
	passes := &siteRun{filter: "-", prefix: under(passPolicy)}
	again := &siteRun{filter: same}
	rounds := max(40, b.rounds(200))
	const windows = 20

	answered := b.siteTable("SiteConstant", "getppid answered by a constant, at a patched site", rounds)
	answered.Base = answered.take(constants.ask("empty", "an empty loop", "empty"))
	c := answered.take(constants.ask("constant", "patched", "getppid"+constant))
	answered.Again = answered.take(constants.ask("empty-again", "an empty loop, again", "empty"))
	answered.take(native.ask("native", "the system call, no filter", "getppid"))
	answered.take(tax.ask("filter", "the system call, the smallest filter", "getppid"))
	answered.Claims = []Claim{{Text: "at most 4 ns over an empty loop", Of: c, Against: answered.Base, Limit: 4}}

	passed := b.siteTable("SitePass", "getppid passed through a patched site", rounds)
	passed.take(native.series[0])
	passed.take(tax.series[0])
	passed.Base = passed.take(run.ask("equal", "the run's own filter, called from where it allows it", "getppid"))
	p := passed.take(passes.ask("patched", "patched", "getppid"))
	passed.Again = passed.take(again.ask("equal-again", "the run's own filter, again", "getppid"))
	passed.Claims = []Claim{{Text: "at most 5 ns over the same call by an equal verdict of the filter", Of: p, Against: passed.Base, Limit: 5}}
	passed.Notes = []string{
		"The smallest filter's verdict is kept by the kernel. What is passed through is told by the instruction's",
		"address, so the filter runs for each of these calls: that is the tax, and it is not the patch's.",
	}

	random := b.siteTable("SiteGetrandom", "getrandom(16) at a patched site", rounds)
	random.Base = random.take(native.ask("native", "the system call, no filter", "getrandom"+sixteen))
	random.take(native.ask("kernel-vdso", "the kernel's vDSO function", "vdso"+sixteen))
	v := random.take(constants.ask("vdso", "our vDSO function", "vdso"+sixteen))
	g := random.take(constants.ask("patched", "patched", "getrandom"+sixteen))
	random.Again = random.take(native.ask("native-again", "the system call, again", "getrandom"+sixteen))
	random.Claims = []Claim{
		{Text: "at most 0.10 of the system call", Of: g, Against: random.Base, Ratio: true, Limit: 0.1},
		{Text: "at most 5 ns over our vDSO function", Of: g, Against: v, Limit: 5},
	}

	any := b.siteTable("SiteAny", "the C library's syscall(): one site for every number", rounds)
	any.Base = any.take(constants.ask("empty", "the function without a system call", "syscall:empty"))
	any.take(constants.ask("constant", "getppid, a constant", "syscall:getppid"+constant))
	any.take(constants.ask("getrandom", "getrandom(16)", "syscall:getrandom"+sixteen))
	any.take(run.ask("pass-native", "getppid, natively under an equal verdict", "syscall:getppid"))
	any.take(passes.ask("pass", "getppid, passed through", "syscall:getppid"))
	any.take(tax.ask("other-native", "getuid, natively under the smallest filter", "syscall:getuid"))
	any.take(constants.ask("other", "getuid, not reflected, from a patched site", "syscall:getuid"))
	any.Again = any.take(constants.ask("empty-again", "the function without a system call, again", "syscall:empty"))
	dispatched := []struct {
		text    string
		of, off string
		limit   float64
	}{
		{"passed through: at most 5 ns over an equal verdict", "pass", "pass-native", 5},
		{"not reflected: at most 10 ns over native", "other", "other-native", 10},
		{"a constant: at most 4 ns over nothing", "constant", "empty", 4},
	}
	for _, d := range dispatched {
		any.Claims = append(any.Claims, Claim{Text: d.text, Of: any.series(d.of), Against: any.series(d.off), Limit: d.limit})
	}
	return []*Table{answered, passed, random, any}, b.sites(ctx, windows, rounds, native, tax, run, constants, passes, again)
}

func (b *Bench) siteTable(key, title string, rounds int) *Table {
	return &Table{Key: key, Title: title, Unit: Nanoseconds,
		How: fmt.Sprintf("ways in turn, windows of 20 µs; a value is the median of %d windows of one process; processes in turn;\n  all on processor %d",
			rounds*9/10, b.cpu)}
}

// take adds a series to a table.
func (t *Table) take(s *Series) *Series {
	t.Rows = append(t.Rows, s)
	return s
}
