package site

import (
	"bytes"
	"testing"

	"golang.org/x/arch/x86/x86asm"
)

// plan is the plan of a function at 0x10000, and its option of a shape with
// the instruction at index first of the run.
func planOf(t testing.TB, text string, shape Shape, first int) (*Plan, Option) {
	t.Helper()
	b, off := code(t, text)
	p, err := oneFunction(0x10000, "f", b).parse(t).Analyze(0x10000 + uint64(off))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range p.Options {
		if o.Shape == shape && o.First == first {
			return p, o
		}
	}
	t.Fatalf("no %v among %+v", shape, p.Options)
	return nil, Option{}
}

// TestStub: stubs, byte for byte. The bias is 0x7f0000000000, so functions
// stand at 0x7f0000010000.
func TestStub(t *testing.T) {
	const bias, near = 0x7f0000000000, 0x7f0001000000
	for _, test := range []struct {
		name, code string
		shape      Shape
		first      int
		spec       StubSpec
		want       string
		steps      []Step
	}{
		{"number", "b827000000 | 0f05 c3", Direct, 0, StubSpec{Addr: near, Entry: 0x12000, Fold: false},
			"b827000000 488d0dfbff00ff 41bb00200100 41ffe3", []Step{{0, bias + 0x10000}, {5, bias + 0x10005}}},
		{"number folded", "b827000000 | 0f05 c3", Direct, 0, StubSpec{Addr: near, Entry: 0x12000, Fold: true},
			"488d0d000001ff 41bb00200100 41ffe3", []Step{{0, bias + 0x10000}, {0, bias + 0x10005}}},
		{"folded, but used behind", "b827000000 89c7 | 0f05 c3", Direct, 0, StubSpec{Addr: near, Entry: 0x12000, Fold: true},
			"b827000000 89c7 488d0dfbff00ff 41bb00200100 41ffe3",
			[]Step{{0, bias + 0x10000}, {5, bias + 0x10005}, {7, bias + 0x10007}}},
		{"xor is not left out: it sets flags", "31c0 | 0f05 c3 660f1f440000 c3", Relay, 0, StubSpec{Addr: near, Entry: 0x12000, Fold: true},
			"31c0 488d0dfbff00ff 41bb00200100 41ffe3", []Step{{0, bias + 0x10000}, {2, bias + 0x10002}}},
		{"entry near", "b827000000 | 0f05 c3", Direct, 0, StubSpec{Addr: near, Entry: near + 0x1000, Fold: false},
			"b827000000 488d0dfbff00ff e9ef0f0000", nil},
		{"stub below 2 GiB, entry above 4 GiB", "48c7c027000000 4889df | 0f05 c3", Indirect, 0, StubSpec{Addr: 0x30000, Entry: 0x123456789a, Fold: false},
			"48c7c027000000 4889df 48b90c0001 00007f0000 49bb9a78563412000000 41ffe3", nil},
		{"load near", "488b3d10000000 | 0f05 c3", Direct, 0, StubSpec{Addr: near, Entry: 0x12000, Fold: false},
			"488b3d100001ff 488d0d fbff00ff 41bb00200100 41ffe3", nil},
		{"lea far, 64 bits", "4c8d0d10000000 | 0f05 c3", Indirect, 0, StubSpec{Addr: 0x30000, Entry: 0x31000, Fold: false},
			"49b9170001 00007f0000 48b9090001 00007f0000 e9e70f0000", nil},
		{"lea far, 32 bits", "8d3510000000 90 | 0f05 c3", Indirect, 0, StubSpec{Addr: 0x30000, Entry: 0x31000, Fold: false},
			"40be16000100 90 48b9090001 00007f0000 e9ea0f0000", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, o := planOf(t, test.code, test.shape, test.first)
			s, err := p.Stub(o, bias, test.spec)
			if err != nil {
				t.Fatal(err)
			}
			want, _ := code(t, test.want)
			if !bytes.Equal(s.Code, want) || s.Addr != test.spec.Addr {
				t.Errorf("%x, not %x", s.Code, want)
			}
			for i := range test.steps {
				if i >= len(s.Steps) || s.Steps[i] != test.steps[i] {
					t.Errorf("steps %x, not %x", s.Steps, test.steps)
				}
			}
			where(t, s, p.Return(bias), test.spec.Entry)
		})
	}
	p, o := planOf(t, "488b3d10000000 | 0f05 c3", Indirect, 0)
	if _, err := p.Stub(o, bias, StubSpec{Addr: 0x30000}); err == nil {
		t.Error("a stub that is too far from what it reads")
	}
	p, o = planOf(t, "4889df | 0f05 c3", Direct, 0)
	if _, err := p.Stub(o, bias, StubSpec{Addr: near}); err == nil {
		t.Error("a stub where the jump doesn't lead")
	}
}

// where decodes a stub and follows it: rcx is the return address, and the last
// jump leads to the entry.
func where(t testing.TB, s Stub, ret, entry uint64) {
	t.Helper()
	c := constants{}
	for off := 0; off < len(s.Code); {
		d, ok := decode(s.Code[off:])
		if !ok {
			t.Fatalf("stub %x: no instruction at %d", s.Code, off)
		}
		off += d.Len
		switch a := d.Args[0].(type) {
		case x86asm.Rel:
			c[x86asm.R11] = s.Addr + uint64(off) + uint64(int64(a))
		}
		if m, ok := d.Args[1].(x86asm.Mem); ok && d.Op == x86asm.LEA && m.Base == x86asm.RIP {
			c[d.Args[0].(x86asm.Reg)] = s.Addr + uint64(off) + uint64(int64(int32(m.Disp)))
		} else if d.Op != x86asm.JMP {
			c.step(&d)
		}
	}
	if c[x86asm.RCX] != ret || c[x86asm.R11] != entry {
		t.Errorf("stub %x at %#x: rcx %#x, not %#x; leads to %#x, not %#x", s.Code, s.Addr, c[x86asm.RCX], ret, c[x86asm.R11], entry)
	}
	if len(s.Code) > MaxStub {
		t.Errorf("stub %x: %d bytes", s.Code, len(s.Code))
	}
}

// TestPatch: writes, byte for byte.
func TestPatch(t *testing.T) {
	const bias = 0x7f0000000000
	for _, test := range []struct {
		name, code string
		shape      Shape
		first      int
		dest       uint64
		writes     []string // new bytes
		addrs      []uint64 // without bias
		keep       Range
	}{
		{"five bytes", "b827000000 | 0f05 c3", Direct, 0, bias, []string{"e9fbfffeff"}, []uint64{0x10000}, Range{0x10000, 0x10007}},
		{"seven bytes", "48c7c027000000 | 0f05 c3", Direct, 0, bias, []string{"2e2ee9f9fffeff"}, []uint64{0x10000},
			Range{0x10000, 0x10009}},
		{"through memory", "48c7c027000000 | 0f05 c3", Indirect, 0, 0x12340, []string{"ff242540230100"}, []uint64{0x10000},
			Range{0x10000, 0x10009}},
		{"through memory, five bytes", "b827000000 | 0f05 c3", Indirect, 0, 0x050f1238, []string{"ff24253812"}, []uint64{0x10000},
			Range{0x10000, 0x10007}},
		{"three bytes", "4889df | 0f05 c3", Direct, 0, bias + 0x10005 + 0x050f1234, []string{"e93412"}, []uint64{0x10000},
			Range{0x10000, 0x10005}},
		{"two bytes", "31c0 | 0f05 483d00f0ffff c3", Direct, 0, bias + 0x10005 + 0x48050f12, []string{"e912"}, []uint64{0x10000},
			Range{0x10000, 0x10005}},
		{"relay", "31c0 | 0f05 c3 660f1f440000 c3", Relay, 0, bias, []string{"e9f6fffeff", "eb03"}, []uint64{0x10005, 0x10000},
			Range{0x10000, 0x10004}},
		{"relay through memory, forward", "31c0 | 0f05 c3 0f1f8000000000 c3", IndirectRelay, 0, 0x12340,
			[]string{"ff242540230100", "eb03"}, []uint64{0x10005, 0x10000}, Range{0x10000, 0x10004}},
		{"relay backward", "eb05 cccccccccc 4889df | 0f05 c3", Relay, 0, bias, []string{"e9f9fffeff", "2eebf8"},
			[]uint64{0x10002, 0x10007}, Range{0x10007, 0x1000c}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, o := planOf(t, test.code, test.shape, test.first)
			patch, err := p.Patch(o, bias, test.dest)
			if err != nil {
				t.Fatal(err)
			}
			if want := (Range{test.keep.Start + bias, test.keep.End + bias}); patch.Keep != want || len(patch.Writes) != len(test.writes) {
				t.Fatalf("%+v keeps %x", patch, patch.Keep)
			}
			original, _ := code(t, test.code)
			for i, w := range patch.Writes {
				want, _ := code(t, test.writes[i])
				at := int(test.addrs[i] - 0x10000)
				if w.Addr != test.addrs[i]+bias || !bytes.Equal(w.New, want) || !bytes.Equal(w.Old, original[at:at+len(want)]) {
					t.Errorf("write %d: %#x: %x for %x", i, w.Addr, w.New, w.Old)
				}
			}
			if got, want := p.Code(patch, bias), original[test.keep.Start-0x10000:test.keep.End-0x10000]; !bytes.Equal(got, want) {
				t.Errorf("code %x, not %x", got, want)
			}
		})
	}
}

// TestWord: the aligned word around a write.
func TestWord(t *testing.T) {
	p, o := planOf(t, "90 4889df | 0f05 c3 90909090", Direct, 1)
	patch, err := p.Patch(o, 0, o.Dest(0).First)
	if err != nil {
		t.Fatal(err)
	}
	addr, old, now, ok := patch.Writes[0].Word()
	if !ok || addr != 0x10000 || old != [8]byte{0x90, 0x48, 0x89, 0xdf, 0x0f, 0x05, 0xc3, 0x90} ||
		now != [8]byte{0x90, 0xe9, 0, 0, 0x0f, 0x05, 0xc3, 0x90} {
		t.Errorf("%#x: %x to %x, %t", addr, old, now, ok)
	}
}

// TestConflicts: two sites whose jumps need each other's bytes.
func TestConflicts(t *testing.T) {
	b, off := code(t, "31c0 | 0f05 4889df 0f05 c3 90909090")
	f := oneFunction(0x10000, "f", b).parse(t)
	patch := func(site uint64, size uint64) Patch {
		p, err := f.Analyze(site)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range p.Options {
			if o.Shape == Direct && o.Size() == size {
				patch, err := p.Patch(o, 1<<40, o.Dest(1<<40).First)
				if err != nil {
					t.Fatal(err)
				}
				return patch
			}
		}
		t.Fatalf("site %#x: no window of %#x", site, size)
		return Patch{}
	}
	first, second := patch(0x10000+uint64(off), 1<<8), patch(0x10007, 1<<16)
	if !first.Conflicts(second) || !second.Conflicts(first) || !first.Conflicts(first) {
		t.Errorf("%x and %x don't conflict", first.Keep, second.Keep)
	}
	third := second
	third.Keep = Range{first.Keep.End, first.Keep.End + 4}
	third.Writes = []Write{{Addr: first.Keep.End, New: []byte{0}}}
	if first.Conflicts(third) {
		t.Errorf("%x and %x conflict", first.Keep, third.Keep)
	}
}
