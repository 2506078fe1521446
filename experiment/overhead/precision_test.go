package overhead

import (
	"strings"
	"testing"
)

// What is not known well enough is named, the worst first, and why.
func TestPrecision(t *testing.T) {
	line := func(change func(r *printer)) string {
		r := example()
		r.Noise.Value = 0.004
		p := &printer{run: r}
		change(p)
		return Known(r)
	}
	wide := func(p *printer, subject, way string, by float64) {
		f := p.run.Find(subject, way, map[string]string{"bytes": "16"})
		if f == nil {
			f = p.run.Find(subject, way, nil)
		}
		m := f.Summary().Median
		f.Sessions = []float64{m * (1 - by), m * (1 + by)}
	}
	for _, test := range []struct {
		change    func(p *printer)
		want, not string
	}{
		{func(*printer) {}, "precision: 17 of 17 figures of calls are known within ± 2 %", "; not"},
		{func(p *printer) { wide(p, "null", "notify", 0.03); wide(p, "getrandom", "notify", 0.05) },
			"15 of 17 figures of calls are known within ± 2 %, by 2 sessions; not getrandom(16) notify (± 5.0 %), null notify (± 3.0 %); likely because " +
				"the run was too short", "which processor"},
		{func(p *printer) {
			wide(p, "null", "notify", 0.03)
			p.run.Command = []string{"reflect", "bench", "--no-pin"}
		}, "likely because on which processor", ""},
		{func(p *printer) { wide(p, "tax", "notify", 0.03) }, "likely because the run was too short", "which processor"},
		{func(p *printer) {
			p.run.Figures = append(p.run.Figures, series(placed, "notify", 100, map[string]string{"call": "null"}))
			wide(p, "null", "notify", 0.01)
		},
			"17 of 17", ""},
		{func(p *printer) { wide(p, "null", "patch", 0.03); p.run.Noise.Value = 0.013 }, "the machine's own noise is 1.3 %", ""},
		{func(p *printer) { wide(p, "null", "patch", 0.03); p.run.Noise.Shared = 0.2 }, "others used the same core", "too short"},
		{func(p *printer) { wide(p, "null", "patch", 0.03); p.run.Noise.Pace = 0.08 }, "the machine's own speed changed", "too short"},
		{func(p *printer) { wide(p, "null", "patch", 0.03); p.run.Machine.Busy = 0.3 }, "others used the machine", ""},
		{func(p *printer) { wide(p, "null", "patch", 0.03); p.run.Interrupted = true }, "the run was ended early", ""},
		{func(p *printer) { wide(p, "null", again, 0.03) }, "17 of 17", ""},
	} {
		got := line(test.change)
		if !strings.Contains(got, test.want) || test.not != "" && strings.Contains(got, test.not) {
			t.Errorf("%q, want %q and not %q", got, test.want, test.not)
		}
	}
	many := line(func(p *printer) {
		for i := range p.run.Figures {
			if f := &p.run.Figures[i]; inner(f) && f.Way != again {
				f.Sessions = []float64{1, f.Summary().Median, 1e9}
			}
		}
	})
	few := line(func(p *printer) {
		for i := range p.run.Figures {
			p.run.Figures[i].Samples = []float64{100, 100}
		}
	})
	if !strings.Contains(few, "precision: 0 of 17") {
		t.Errorf("by two rounds: %q", few)
	}
	if !strings.Contains(many, "precision: 0 of 17") || !strings.Contains(many, "and 9 more") {
		t.Errorf("%q", many)
	}
}
