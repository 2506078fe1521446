package policy

import (
	"reflect"
	"testing"
)

func TestDefaultPlanIsItsPreset(t *testing.T) {
	built, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Open(defaultPreset)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := Merge(p)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(built, parsed) {
		t.Errorf("Load() is\n%+v\npresets/default.yaml is\n%+v", built, parsed)
	}
}

func TestPresets(t *testing.T) {
	for i, p := range Presets() {
		if (p.Name == defaultPreset) != (i == 0) {
			t.Errorf("%s is preset %d", p.Name, i)
		}
		if p.Description == "" {
			t.Errorf("preset %s has no description", p.Name)
		}
		plan, err := Load(p.Name)
		if err != nil {
			t.Errorf("preset %s: %v", p.Name, err)
			continue
		}
		for _, w := range plan.Warnings {
			t.Errorf("preset %s: %v", p.Name, w)
		}
	}
}

// A run without a policy pays for Load() each time it starts.
func BenchmarkLoadDefault(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoadPreset(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load("default", "no-network"); err != nil {
			b.Fatal(err)
		}
	}
}

// What a start costs must not depend on a machine's mood.
func TestLoadDefaultIsCheap(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { _, _ = Load() }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}
