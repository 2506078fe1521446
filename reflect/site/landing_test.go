package site

import (
	"slices"
	"testing"

	"golang.org/x/arch/x86/x86asm"
)

// TestLandings puts breakpoints on whatever begins within a jump, for every option of
// every site of the machine: the jump leads to one of the option's landings then, and
// that on to the breakpoint.
func TestLandings(t *testing.T) {
	const bias, entry = 0x7f1234567000, 0x10000
	n := 0
	for _, path := range machineFiles(t) {
		f := open(t, path)
		for _, s := range sitesOf(f) {
			p, err := f.Analyze(s)
			if err != nil {
				continue
			}
			for _, o := range p.Options {
				w := o.Stub(bias)
				if o.indirect() || o.Shape == Call || w.Empty() {
					continue
				}
				dest := w.First + (w.Last-w.First)/2
				landings, err := p.Landings(o, bias, StubSpec{Addr: dest, Entry: entry})
				if err != nil {
					t.Errorf("%s, site %#x: %v", path, s, err)
					continue
				}
				n += len(landings)
				breakpoints(t, p, o, bias, dest, landings)
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d landings", n)
	}
}

func breakpoints(t *testing.T, p *Plan, o Option, bias, dest uint64, landings []Landing) {
	t.Helper()
	patch, err := p.Patch(o, bias, dest)
	if err != nil {
		t.Fatal(err)
	}
	start := p.Run[o.First].Addr
	code, ok := p.bytes(start, 24)
	if !ok {
		return
	}
	code = slices.Clone(code)
	last := patch.Writes[len(patch.Writes)-1]
	copy(code, last.New)
	end, behind := p.end()
	starts := []uint64{end, behind}
	for _, in := range p.Run[o.First+1:] {
		starts = append(starts, in.Addr)
	}
	found := 0
	for _, at := range starts {
		broken := slices.Clone(code)
		if at-start >= uint64(len(broken)) {
			continue
		}
		broken[at-start] = 0xcc
		to := leads(t, broken, start+bias)
		if to == leads(t, code, start+bias) {
			continue // the breakpoint is no part of the jump
		}
		found++
		i := slices.IndexFunc(landings, func(l Landing) bool { return l.Addr == to })
		if i < 0 {
			t.Errorf("site %#x, %v: a breakpoint at %#x leads to %#x, where no landing is", p.Site, o.Shape, at, to)
			continue
		}
		l := landings[i]
		goes := uint64(0)
		for off := 0; off < len(l.Code); {
			d, ok := decode(l.Code[off:])
			if !ok {
				t.Fatalf("site %#x: %x", p.Site, l.Code)
			}
			off += d.Len
			if rel, ok := d.Args[0].(x86asm.Rel); ok && d.Op == x86asm.JMP {
				goes = l.Addr + uint64(off) + uint64(int64(rel))
			}
		}
		if at <= end && goes != at+bias || at > end && goes == at+bias {
			t.Errorf("site %#x: the landing for %#x goes on at %#x: %x", p.Site, at+bias, goes, l.Code)
		}
	}
	if want := 1<<found - 1; len(landings) != want {
		t.Errorf("site %#x, %v: %d landings for %d breakpoints", p.Site, o.Shape, len(landings), found)
	}
}

// leads is where the jump leads that code begins with.
func leads(t *testing.T, code []byte, at uint64) uint64 {
	t.Helper()
	n := uint64(0)
	for code[n] == padRel {
		n++
	}
	d, ok := decode(code[n:])
	rel, isRel := d.Args[0].(x86asm.Rel)
	if !ok || !isRel || d.Op != x86asm.JMP {
		t.Fatalf("%x is no jump", code)
	}
	return at + n + uint64(d.Len) + uint64(int64(rel))
}
