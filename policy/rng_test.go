package policy

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

const served = "rules: [{calls: getrandom, do: shim}]\n"

func TestRNG(t *testing.T) {
	long := strings.Repeat("x", maxSeed)
	for _, tc := range []struct {
		sources []string
		want    RNG
	}{
		{[]string{served}, RNG{}},
		{[]string{"rng: {source: kernel-seeded}\n" + served}, RNG{Pos: Pos{"a", 2, 15}}},
		{[]string{"rng: {block: auto}\n"}, RNG{}},
		{[]string{"rng: {block: avx512}\n"}, RNG{Block: BlockAVX512}},
		{[]string{"rng: {block: avx2}\n"}, RNG{Block: BlockAVX2}},
		{[]string{"rng:\n  block: scalar\n"}, RNG{Block: BlockScalar}},
		{[]string{"rng: {source: deterministic, seed: 42}\n" + served}, RNG{Source: Deterministic, Seed: "42", Pos: Pos{"a", 2, 15}}},
		{[]string{"rng: {source: deterministic, seed: 0x2A}\n" + served}, RNG{Source: Deterministic, Seed: "42", Pos: Pos{"a", 2, 15}}},
		{[]string{"rng: {source: deterministic, seed: 0}\n" + served}, RNG{Source: Deterministic, Seed: "0", Pos: Pos{"a", 2, 15}}},
		{[]string{"rng: {seed: 18446744073709551615, source: deterministic}\n" + served},
			RNG{Source: Deterministic, Seed: "18446744073709551615", Pos: Pos{"a", 2, 43}}},
		{[]string{"rng: {source: deterministic, seed: nightly}\n" + served}, RNG{Source: Deterministic, Seed: "nightly", Pos: Pos{"a", 2, 15}}},
		{[]string{"rng: {source: deterministic, seed: '2026-11-21'}\n" + served}, RNG{Source: Deterministic, Seed: "2026-11-21", Pos: Pos{"a", 2, 15}}},
		{[]string{"rng: {source: deterministic, seed: \"a\\nb\"}\n" + served}, RNG{Source: Deterministic, Seed: "a\nb", Pos: Pos{"a", 2, 15}}},
		{[]string{"rng: {source: deterministic, seed: " + long + "}\n" + served}, RNG{Source: Deterministic, Seed: long, Pos: Pos{"a", 2, 15}}},
		// The source comes with its seed, the block function by itself.
		{[]string{"rng: {source: deterministic, seed: 1}\n" + served, "rng: {block: scalar}\n"},
			RNG{Source: Deterministic, Seed: "1", Block: BlockScalar, Pos: Pos{"a", 2, 15}}},
		{[]string{"rng: {source: deterministic, seed: 1, block: avx2}\n" + served, "rng: {source: deterministic, seed: 2}\n"},
			RNG{Source: Deterministic, Seed: "2", Block: BlockAVX2, Pos: Pos{"b", 2, 15}}},
		{[]string{"rng: {source: deterministic, seed: 1}\n", served, "rng: {source: kernel-seeded}\n"},
			RNG{Pos: Pos{"c", 2, 15}}},
		{[]string{"rng: {block: avx2}\n", "rng: {block: auto}\n"}, RNG{}},
		{[]string{"rng: {source: deterministic, seed: 1, cpus: one}\n" + served}, RNG{Source: Deterministic, Seed: "1", Pos: Pos{"a", 2, 15}}},
		{[]string{"rng: {cpus: all}\n" + served, "rng: {source: deterministic, seed: 1}\n"},
			RNG{Source: Deterministic, Seed: "1", CPUs: CPUsAll, Pos: Pos{"b", 2, 15}}},
		{[]string{"rng: {cpus: all}\n", "rng: {cpus: one}\n"}, RNG{}},
		{[]string{"rng: {source: deterministic, seed: 1}\n" + served, "strict: true\n"},
			RNG{Source: Deterministic, Seed: "1", Pos: Pos{"a", 2, 15}}},
	} {
		if p := mustMerge(t, tc.sources...); p.RNG != tc.want {
			t.Errorf("%q:\n got %#v\nwant %#v", tc.sources, p.RNG, tc.want)
		}
	}
}

// A seed that can't reach every call of getrandom is refused.
func TestSeedMustReach(t *testing.T) {
	const seeded = "rng: {source: deterministic, seed: 1}\n"
	for _, tc := range []struct {
		text string
		want string // "" for none
	}{
		{seeded + served, ""},
		{seeded + "rules: [{calls: getrandom, do: {go: getrandom}}]\n", ""},
		{seeded + "rules: [{calls: getrandom, mechanism: vdso, do: shim}]\n", ""},
		{seeded + "rules: [{calls: getrandom, when: int(arg2) == GRND_RANDOM, do: {errno: EAGAIN}}, {calls: getrandom, do: shim}]\n", ""},
		{seeded + "default: {errno: EPERM}\nrules: [{calls: getrandom, when: arg1 < 257, do: shim}]\n", ""},
		{seeded, "a:2:15: getrandom meets allow, so the program gets bytes that are not deterministic"},
		{seeded + "default: audit\n", "a:3:10: getrandom meets audit, so the program gets bytes that are not deterministic"},
		{seeded + "rules: [{calls: getrandom, do: allow}]\n", "a:3:10: getrandom meets allow, so the program gets bytes that are not deterministic"},
		{seeded + "rules: [{calls: getrandom, do: stub}]\n", "a:3:10: getrandom meets stub, so the program gets bytes that are not deterministic"},
		{seeded + "rules: [{calls: getrandom, do: audit}]\n", "a:3:10: getrandom meets audit, so the program gets bytes that are not deterministic"},
		{seeded + "rules: [{calls: getrandom, do: passthrough}]\n", "a:3:10: getrandom meets passthrough, so the program gets bytes that are not deterministic"},
		{seeded + "rules: [{calls: getrandom, when: arg1 == 4, do: allow}, {calls: getrandom, do: shim}]\n",
			"a:3:10: getrandom meets allow, so the program gets bytes that are not deterministic"},
		{seeded + "rules: [{calls: getrandom, when: arg1 == 4, do: shim}]\n",
			"a:2:15: getrandom meets allow, so the program gets bytes that are not deterministic"},
		{seeded + "rules: [{calls: getrandom, do: {errno: ENOSYS}}]\n", "a:2:15: getrandom gives no bytes under this policy, so a seed means nothing"},
		{seeded + "rules: [{calls: getrandom, do: {return: 0}}]\n", "a:2:15: getrandom gives no bytes under this policy, so a seed means nothing"},
		{seeded + "rules: [{calls: getrandom, do: deny}]\n", "a:2:15: getrandom gives no bytes under this policy, so a seed means nothing"},
		{seeded + "default: kill\n", "a:2:15: getrandom gives no bytes under this policy, so a seed means nothing"},
	} {
		_, err := Merge(mustParse(t, "a", tc.text))
		var es Errors
		switch {
		case tc.want == "" && err != nil, tc.want != "" && (err == nil || err.Error() != tc.want):
			t.Errorf("%q: %v, want %q", tc.text, err, tc.want)
		case err != nil && (!errors.As(err, &es) || es[0].Hint == ""):
			t.Errorf("%q: no hint", tc.text)
		}
	}
	for _, preset := range presetNames() {
		p, err := Load(preset)
		if err != nil {
			t.Fatal(err)
		}
		q, err := p.WithSeed(7)
		reaches := slices.Contains([]string{"default", "notify", "random", "vdso"}, preset)
		if reaches != (err == nil) {
			t.Errorf("preset %s with a seed: %v", preset, err)
		}
		if err == nil && (q.RNG != RNG{Source: Deterministic, Seed: "7"} || p.RNG != RNG{}) {
			t.Errorf("preset %s: %v, before %v", preset, q.RNG, p.RNG)
		}
	}
	all := mustMerge(t, "rng: {cpus: all}\n"+served)
	if q, err := all.WithSeed(7); err != nil || q.RNG.CPUs != CPUsAll || strings.Contains(q.Warnings[0].Msg, "CPU") {
		t.Errorf("%v, %v", q, err)
	}
}

// Whatever the mechanism, all calls go to the supervisor, in whatever order the
// plan was made.
func TestSeedMechanism(t *testing.T) {
	notified := func(name string, p *Plan, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		checkPlan(t, p)
		if got := meets(t, p, "getrandom"); !strings.HasPrefix(got, "shim by notify") && !strings.HasPrefix(got, "shim by ptrace") || p.Binding("getrandom") != BindStub {
			t.Errorf("%s: getrandom meets %s, its vDSO function is a %v", name, got, p.Binding("getrandom"))
		}
		if slices.ContainsFunc(p.Patched(), func(c PatchedCall) bool { return p.For(c.Nr)[0].Action.Kind == Shim }) {
			t.Errorf("%s: sites of what the shim serves would be patched", name)
		}
		if p.RNG.Source != Deterministic || !slices.ContainsFunc(p.Warnings, func(w Warning) bool { return w.EachRun }) {
			t.Errorf("%s: %v, warnings %v", name, p.RNG, p.Warnings)
		}
	}
	for m := range mechanismWords {
		def, err := Load()
		if err != nil {
			t.Fatal(err)
		}
		a, err := def.WithSeed(1)
		if err != nil {
			t.Fatal(err)
		}
		a, err = a.WithMechanism(Mechanism(m))
		notified(mechanismWords[m]+" after the seed", a, err)
		b, err := def.WithMechanism(Mechanism(m))
		if err != nil {
			t.Fatal(err)
		}
		before := b.String()
		c, err := b.WithSeed(1)
		notified(mechanismWords[m]+" before the seed", c, err)
		if b.String() != before {
			t.Errorf("WithSeed changed the plan that it was given:\n%s%s", before, b)
		}
		if m != int(Notify) && c.Binding("time") != b.Binding("time") {
			t.Errorf("time is a %v", c.Binding("time"))
		}
	}
	p := mustMerge(t, "rng: {source: deterministic, seed: 1}\nrules: [{calls: getrandom, mechanism: vdso, do: shim}]\n")
	notified("its own", p, nil)
}

func TestSeedExplained(t *testing.T) {
	p := mustMerge(t, "rng: {source: deterministic, seed: of the week, block: avx2}\n"+served)
	var b strings.Builder
	if err := Explain(&b, p); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"a:3:10; by notify, since one place makes all deterministic bytes\n",
		"\nrandom bytes: deterministic, from the seed \"of the week\", cpus one, block avx2 (a:2:15)\n",
		"\nwarning: a:2:15: random bytes are deterministic, from the seed \"of the week\", and no secret: for tests only; programs run on one CPU\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	b.Reset()
	if err := Explain(&b, mustMerge(t, served)); err != nil || strings.Contains(b.String(), "random bytes") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestParseSeed(t *testing.T) {
	for word, want := range map[string]uint64{"0": 0, "7": 7, "0xff": 255, "0XFF": 255, "18446744073709551615": 1<<64 - 1, "0xffffffffffffffff": 1<<64 - 1} {
		if n, err := ParseSeed(word); err != nil || n != want {
			t.Errorf("%s: %d, %v", word, n, err)
		}
	}
	for _, word := range []string{"", "x", "-1", "+1", "1.5", "007", "1_000", "18446744073709551616", "0x", "0x10000000000000000", " 1", "1 "} {
		_, err := ParseSeed(word)
		var e *Error
		if !errors.As(err, &e) || e.Hint == "" || !strings.HasPrefix(e.Msg, "a seed is a number from 0 to 18446744073709551615, not ") {
			t.Errorf("%q: %v", word, err)
		}
	}
}

func TestBuilderRNG(t *testing.T) {
	p, err := New().Shim("getrandom").RNG(RNG{Source: Deterministic, Seed: "x", Block: BlockScalar, CPUs: CPUsAll}).Plan()
	if err != nil || p.RNG != (RNG{Source: Deterministic, Seed: "x", Block: BlockScalar, CPUs: CPUsAll}) || p.Binding("getrandom") != BindStub {
		t.Errorf("%v, %v", p, err)
	}
	for want, r := range map[string]RNG{
		"source deterministic needs a seed":                            {Source: Deterministic},
		"source kernel-seeded takes no seed":                           {Seed: "1"},
		"unknown source 2":                                             {Source: 2},
		"unknown block function 9":                                     {Block: 9},
		"unknown cpus 2":                                               {CPUs: 2},
		"the seed \"0x10\" is a number that is not written in decimal": {Source: Deterministic, Seed: "0x10"},
		"a seed has at most 256 bytes":                                 {Source: Deterministic, Seed: strings.Repeat("x", maxSeed+1)},
	} {
		if _, err := New().Shim("getrandom").RNG(r).Plan(); err == nil || err.Error() != want {
			t.Errorf("%v: %v, want %s", r, err, want)
		}
	}
}

// A plan goes to a successor as JSON.
func TestRNGInJSON(t *testing.T) {
	p := mustMerge(t, "rng: {source: deterministic, seed: \"\\u00e9 \\\"\", block: avx2, cpus: all}\n"+served)
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var q Plan
	if err := json.Unmarshal(b, &q); err != nil || q.RNG != p.RNG || q.Binding("getrandom") != BindStub {
		t.Errorf("%v, %v", q.RNG, err)
	}
}

// With a seed the layout is one by all mechanisms: no site of a clock's is patched, and who asks
// for that by name is told.
func TestSeedSites(t *testing.T) {
	p, err := mustMerge(t, "rules: [{calls: [getrandom, time], mechanism: patch, do: shim}]\n").WithSeed(7)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := Explain(&b, p, "time"); err != nil {
		t.Fatal(err)
	}
	if len(p.Patched()) > 0 || !strings.Contains(b.String(), "sites are not patched: runs of one seed have one layout") {
		t.Errorf("%v\n%s", p.Patched(), b.String())
	}
}
