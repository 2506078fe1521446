package vdsoshim

import (
	"bytes"
	stdelf "debug/elf"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sysreflect/sysreflect/internal/elf"
)

// checkCompleted compares what a completed image exports with what the kernel's
// does, and follows every symbol to where it leads.
func checkCompleted(kernel *Image, built *Built) error {
	m, err := Parse(built.Bytes)
	if err != nil {
		return err
	}
	if len(built.Bytes) != ImageSize {
		return fmt.Errorf("%d bytes", len(built.Bytes))
	}
	for _, want := range kernel.Symbols() {
		if want.Version == "" && len(kernel.versions) == 0 {
			if _, _, ok := CallOf(want.Name); ok {
				want.Version = abiVersion
			}
		}
		for _, lookup := range []func(string, string) (Symbol, bool){m.lookupGNU, m.lookupSysV} {
			got, ok := lookup(want.Name, want.Version)
			if !ok || got.Bind != want.Bind || got.Type != want.Type {
				return fmt.Errorf("%s@%s is %+v, the kernel's %+v", want.Name, want.Version, got, want)
			}
		}
	}
	return nil
}

// leadsTo says where a call of the symbol ends: "kernel+0x…", "shim getrandom",
// "stub time"; a count on the way is "counted as N, …".
func leadsTo(t *testing.T, built *Built, s Symbol) string {
	t.Helper()
	slot := func(i uint64) string {
		v := le.Uint32(built.Bytes[planOff+planLink+4*i:])
		if v&planOurs != 0 {
			return where(built, uint64(v&^planOurs))
		}
		return fmt.Sprintf("kernel+%#x", v)
	}
	switch {
	case s.Value >= forward.off && s.Value < forward.off+forward.size:
		return slot((s.Value - forward.off) / 8)
	case s.Value >= counted.off && s.Value < counted.off+counted.size:
		i := (s.Value - counted.off) / 32
		return fmt.Sprintf("counted as %s, %s", built.Counters[i], slot(linkCounted+i))
	}
	return where(built, s.Value)
}

func where(built *Built, off uint64) string {
	for _, c := range calls {
		if c.stub.off == off {
			return "stub " + c.name
		}
		if c.shim != nil && c.shim.off == off && c.link != 0 {
			return fmt.Sprintf("shim %s, kernel+%#x", c.name, le.Uint32(built.Bytes[planOff+planLink+4*c.link:]))
		}
		if c.shim != nil && c.shim.off == off {
			return "shim " + c.name
		}
	}
	return fmt.Sprintf("image+%#x", off)
}

func TestComplete(t *testing.T) {
	kernel, _, err := Kernel()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		bind  func(string) Binding
		count bool
		want  func(call string, kernel uint64) string
	}{
		{"no policy", nil, false, func(call string, kernel uint64) string { return fmt.Sprintf("kernel+%#x", kernel) }},
		{"shim", everything(Shim), false, func(call string, kernel uint64) string {
			switch call {
			case "getrandom":
				return "shim getrandom"
			case "clock_gettime", "clock_getres":
				return fmt.Sprintf("shim %s, kernel+%#x", call, kernel)
			}
			return fmt.Sprintf("kernel+%#x", kernel)
		}},
		{"stub", everything(Stub), false, func(call string, kernel uint64) string { return "stub " + call }},
		{"counted", everything(Forward), true, func(call string, kernel uint64) string {
			return fmt.Sprintf("counted as __vdso_%s, kernel+%#x", call, kernel)
		}},
		{"counted stub", everything(Stub), true, func(call string, kernel uint64) string {
			return fmt.Sprintf("counted as __vdso_%s, stub %s", call, call)
		}},
		{"one of each", func(call string) Binding {
			return map[string]Binding{"getrandom": Shim, "time": Stub}[call]
		}, false, func(call string, kernel uint64) string {
			switch call {
			case "getrandom":
				return "shim getrandom"
			case "time":
				return "stub time"
			}
			return fmt.Sprintf("kernel+%#x", kernel)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			built, err := Complete(Options{Kernel: kernel, Bind: tt.bind, Count: tt.count})
			if err != nil {
				t.Fatal(err)
			}
			if err := checkCompleted(kernel, built); err != nil {
				t.Error(err)
			}
			m, err := Parse(built.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := len(m.Symbols()), len(kernel.Symbols())+1; got != want {
				t.Errorf("%d symbols, not %d", got, want)
			}
			for _, k := range kernel.Symbols() {
				s, _ := m.Lookup(k.Name, k.Version)
				if k.Section == elf.SHN_ABS {
					if s.Section != k.Section || s.Value != k.Value {
						t.Errorf("%+v, not %+v", s, k)
					}
					continue
				}
				call, _, known := CallOf(k.Name)
				want := fmt.Sprintf("kernel+%#x", k.Value)
				if known {
					want = tt.want(call, k.Value)
				}
				if got := leadsTo(t, built, s); got != want {
					t.Errorf("%s leads to %s, not %s", k.Name, got, want)
				}
			}
			if !tt.count && len(built.Counters) > 0 || tt.count && len(built.Counters) != len(calls) {
				t.Errorf("counters %q", built.Counters)
			}
			into := bytes.Clone(Template())
			again, err := Complete(Options{Kernel: kernel, Bind: tt.bind, Count: tt.count, Into: into})
			if err != nil || !bytes.Equal(again.Bytes, built.Bytes) || &again.Bytes[0] != &into[0] {
				t.Errorf("not the same a second time, in other memory: %v", err)
			}
			if _, err := Complete(Options{Kernel: kernel, Into: into[1:]}); err == nil {
				t.Error("an image fits into less than its size")
			}
		})
	}
}

// TestGeneration: the word is found by either hash table, by its version, and as
// other readers of ELF see it.
func TestGeneration(t *testing.T) {
	kernel, _, err := Kernel()
	if err != nil {
		t.Fatal(err)
	}
	for _, bind := range []Binding{Forward, Shim, Stub} {
		built, err := Complete(Options{Kernel: kernel, Bind: everything(bind)})
		if err != nil {
			t.Fatal(err)
		}
		m, err := Parse(built.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		for _, lookup := range []func(string, string) (Symbol, bool){m.lookupGNU, m.lookupSysV} {
			s, ok := lookup("__vdso_rng_generation", "LINUX_2.6")
			if !ok || s.Value != ControlOff || s.Size != 8 || s.Type != elf.STT_OBJECT || s.Bind != elf.STB_GLOBAL {
				t.Errorf("%+v, %t", s, ok)
			}
		}
		f, err := stdelf.NewFile(bytes.NewReader(built.Bytes))
		if err != nil {
			t.Fatal(err)
		}
		symbols, err := f.DynamicSymbols()
		i := slices.IndexFunc(symbols, func(s stdelf.Symbol) bool { return s.Name == "__vdso_rng_generation" })
		if err != nil || i < 0 || symbols[i].Version != "LINUX_2.6" || symbols[i].Section == stdelf.SHN_UNDEF || symbols[i].Section >= stdelf.SHN_LORESERVE {
			t.Errorf("%+v, %v", symbols, err)
		}
	}
	// A process under reflect sees another run's image as the kernel's.
	first, err := Complete(Options{Kernel: kernel})
	if err != nil {
		t.Fatal(err)
	}
	outer, err := Parse(first.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Complete(Options{Kernel: outer})
	if err != nil {
		t.Fatal(err)
	}
	inner, _ := Parse(second.Bytes)
	if got, want := len(inner.Symbols()), len(outer.Symbols()); got != want {
		t.Errorf("%d symbols, not %d", got, want)
	}
}

// TestCompleteUnheardOf: symbols, a version and data that no kernel of today
// has, and no getrandom.
func TestCompleteUnheardOf(t *testing.T) {
	b, err := os.ReadFile(testFile(t, "fake.so"))
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, count := range []bool{false, true} {
		for _, binding := range []Binding{Forward, Shim, Stub} {
			built, err := Complete(Options{Kernel: kernel, Count: count, Bind: everything(binding)})
			if err != nil {
				t.Fatal(err)
			}
			if err := checkCompleted(kernel, built); err != nil {
				t.Error(err)
			}
			m, _ := Parse(built.Bytes)
			if got := m.Versions(); !slices.Equal(got, []string{"LINUX_2.6", "LINUX_9.9"}) {
				t.Errorf("versions %q", got)
			}
			for _, name := range []string{"__vdso_made_up", "made_up", "__vdso_older"} {
				k, _ := kernel.Lookup(name, "")
				s, _ := m.Lookup(name, k.Version)
				if got, want := leadsTo(t, built, s), fmt.Sprintf("kernel+%#x", k.Value); got != want {
					t.Errorf("%s leads to %s, not %s", name, got, want)
				}
			}
			s, _ := m.Lookup("made_up_data", "LINUX_9.9")
			if s.Size != 16 || le.Uint64(built.Bytes[s.Value:]) != 0x1122334455667788 {
				t.Errorf("data: %+v", s)
			}
			// The shim's getrandom needs no kernel's; nothing else appears.
			g, ok := m.Lookup("__vdso_getrandom", "LINUX_2.6")
			if ok != (binding == Shim) {
				t.Errorf("%v: __vdso_getrandom is %+v", binding, g)
			}
			if ok && !strings.HasSuffix(leadsTo(t, built, g), "shim getrandom") {
				t.Errorf("__vdso_getrandom leads to %s", leadsTo(t, built, g))
			}
			if le.Uint32(built.Bytes[planOff+planLink+4*linkGetrandom:]) != 0 {
				t.Error("a generator of the kernel's where there is none")
			}
		}
	}
}

// TestCompleteFull: as many functions as there is room for, and one more.
func TestCompleteFull(t *testing.T) {
	kernel, _, err := Kernel()
	if err != nil {
		t.Fatal(err)
	}
	full := *kernel
	full.symbols = nil
	for i := range forwardSlots {
		full.symbols = append(full.symbols, Symbol{
			Name: fmt.Sprintf("__vdso_made_up_%d", i), Bind: elf.STB_GLOBAL, Type: elf.STT_FUNC,
			Value: uint64(0x800 + 16*i), Section: 1, versym: 2, Version: abiVersion,
		})
	}
	full.sysv, full.gnu = nil, nil
	built, err := Complete(Options{Kernel: &full})
	if err != nil {
		t.Fatal(err)
	}
	if err := checkCompleted(&full, built); err != nil {
		t.Error(err)
	}
	m, _ := Parse(built.Bytes)
	for i, s := range full.symbols {
		got, _ := m.Lookup(s.Name, abiVersion)
		if to := leadsTo(t, built, got); to != fmt.Sprintf("kernel+%#x", s.Value) {
			t.Errorf("symbol %d leads to %s", i, to)
		}
	}
	full.symbols = append(full.symbols, Symbol{Name: "more", Bind: elf.STB_GLOBAL, Type: elf.STT_FUNC, Value: 0x700, Section: 1})
	if _, err := Complete(Options{Kernel: &full}); !errors.Is(err, ErrRoom) {
		t.Errorf("one too many: %v", err)
	}
	if _, err := Complete(Options{}); !errors.Is(err, ErrNoVDSO) {
		t.Errorf("no kernel: %v", err)
	}
}

func TestNotes(t *testing.T) {
	kernel, _, err := Kernel()
	if err != nil {
		t.Fatal(err)
	}
	built, err := Complete(Options{Kernel: kernel})
	if err != nil {
		t.Fatal(err)
	}
	m, _ := Parse(built.Bytes)
	got := m.notes()
	if len(got) == 0 || got[0].name != "sysreflect" {
		t.Fatalf("notes %q", got)
	}
	for _, n := range kernel.notes() {
		has := slices.ContainsFunc(got, func(g note) bool { return bytes.Equal(g.raw, n.raw) })
		if has != (n.name == "Linux") {
			t.Errorf("the kernel's note %q: %t", n.raw, has)
		}
	}
}

func TestBase(t *testing.T) {
	seen := map[uint64]bool{}
	for range 10000 {
		b, err := Base(65536)
		if err != nil || b%PageSize != 0 || b < 65536 || b+RegionSize > valgrindPIE {
			t.Fatalf("%#x, %v", b, err)
		}
		seen[b] = true
	}
	if want := (valgrindPIE-RegionSize-65536)/PageSize + 1; len(seen) < want*9/10 {
		t.Errorf("%d addresses of %d", len(seen), want)
	}
	for _, tt := range []struct {
		min uint64
		ok  bool
	}{
		{0, true}, {1, true}, {1 << 20, true}, {2<<20 - RegionSize, true},
		{2<<20 - RegionSize + 1, false}, {2 << 20, false}, {1 << 40, false}, {^uint64(0), false},
	} {
		b, err := Base(tt.min)
		if (err == nil) != tt.ok || tt.ok && (b < tt.min || b < baseFloor || b+RegionSize > baseCeiling) {
			t.Errorf("above %#x: %#x, %v", tt.min, b, err)
		}
	}
}
