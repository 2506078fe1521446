package site

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// kind is what makes two options the same for the processor.
func kind(p *Plan, o Option) string {
	var b strings.Builder
	for _, in := range p.Run[o.First:] {
		code := slices.Clone(in.Bytes)
		switch {
		case in.pcrel > 0:
			clear(code[in.pcrel : in.pcrel+4])
		case in.number && len(code) >= 5:
			clear(code[len(code)-4:])
		}
		fmt.Fprintf(&b, "%x ", code)
	}
	fmt.Fprintf(&b, "%v %d %d %v", o.Shape, o.prefixes, o.written, o.Padding.Start != 0)
	return b.String()
}

// executeEvery is 1 where all sites are tried.
var executeEvery = 1

// TestExecute executes every distinct option of every site, original and
// patched, and compares registers, flags, vector and x87 state and the stack
// with its red zone.
func TestExecute(t *testing.T) {
	begin := time.Now()
	x := newExecutor(t)
	seen := map[string]bool{}
	for _, path := range machineFiles(t) {
		f := open(t, path)
		bias := uint64(execBias)
		if fixed(t, path) {
			bias = 0
		}
		sites := sitesOf(f)
		if len(sites) == 0 {
			continue
		}
		x.load(f, bias)
		unplaced := 0
		for i, s := range sites {
			p, err := f.Analyze(s)
			if err != nil || i%executeEvery != 0 {
				continue
			}
			done := 0
			for i, o := range p.Options {
				if p.window != nil {
					done++ // its stub chooses; integration's cancelpoint.c executes it
				} else if k := kind(p, o); i == 0 || !seen[k] {
					if x.check(p, o, bias) {
						seen[k] = true
						done++
					}
				} else {
					done++
				}
			}
			if done == 0 {
				unplaced++
				t.Logf("%s: site %#x: nothing could be placed", path, s)
			}
		}
		if unplaced > 0 {
			t.Errorf("%s: %d sites without an option that could be tried", path, unplaced)
		}
		for _, s := range f.segments {
			for _, b := range append([]Range(nil), x.busy...) {
				if b.overlaps(Range{s.addr + bias, s.end() + bias}) {
					x.munmap(b)
				}
			}
		}
	}
	t.Logf("%d distinct options executed in %v, %d steps, by shape %v; %d fault in the original",
		len(seen), time.Since(begin).Round(time.Millisecond), x.steps, x.stubs, x.faults)
}
