package site

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// code reads hexadecimal digits; a bar marks the site.
func code(t testing.TB, text string) (b []byte, site int) {
	t.Helper()
	before, _, _ := strings.Cut(text, "|")
	clean := func(s string) []byte {
		b, err := hex.DecodeString(strings.NewReplacer(" ", "", "|", "").Replace(s))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	return clean(text), len(clean(before))
}

// TestShapes: functions at 0x10000 and the options wanted of them: shape, index
// of the replaced instruction, whether online, first and last destination.
func TestShapes(t *testing.T) {
	const ret = "c3"
	type want struct {
		shape       Shape
		first       int
		online      bool
		first0      uint64
		last        uint64
		padding     uint64
		folded, byp bool
	}
	for _, test := range []struct {
		name, code string
		number     int
		flagsDead  bool
		want       []want
	}{
		{"five bytes", "b827000000 | 0f05" + ret, 39, false, []want{
			{Direct, 0, true, 0, 0x10005 + 1<<31 - 1, 0, true, false},
			{Indirect, 0, true, 0x050f0000, 0x050fffff, 0, true, false}}},
		{"three bytes", "4889df | 0f05 483d01f0ffff" + ret, -1, true, []want{
			{Direct, 0, true, 0x10003 + 2 + 0x050f0000, 0x10003 + 2 + 0x050fffff, 0, false, false},
			{Direct, 0, true, 0x10003 + 3 + 0x48050f00, 0x10003 + 3 + 0x48050fff, 0, false, false}}},
		{"four bytes", "488b3424 | 0f05 483d00f0ffff" + ret, -1, true, []want{
			{Direct, 0, true, 0x10004 + 1 + 0x0f000000, 0x10004 + 1 + 0x0fffffff, 0, false, false},
			{Direct, 0, true, 0x10004 + 2 + 0x050f0000, 0x10004 + 2 + 0x050fffff, 0, false, false},
			{Indirect, 0, true, 0x48050f00, 0x48050fff, 0, false, false}}},
		{"two bytes, as in glibc's read", "31c0 | 0f05 483d00f0ffff c3", 0, true, []want{
			{Direct, 0, true, 0x10002 + 3 + 0x48050f00, 0x10002 + 3 + 0x48050fff, 0, true, false}}},
		{"two bytes and padding", "31c0 | 0f05 c3 660f1f440000 c3", 0, false, []want{
			{Relay, 0, true, 0, 0x1000a + 1<<31 - 1, 0x10005, true, false}}},
		{"seven bytes", "48c7c027000000 | 0f05 c3", 39, false, []want{
			{Direct, 0, true, 0, 0x10007 + 1<<31 - 1, 0, true, false},
			{Indirect, 0, true, 0, 1<<31 - 8, 0, true, false}}},
		{"across a word: the rest of the instruction stays", "90909090 90 b827000000 | 0f05 c3", 39, false, []want{
			{Direct, 5, true, 0x1000a, 0x1000a + 0xffff, 0, true, false},
			{Direct, 5, false, 0, 0x1000a + 1<<31 - 1, 0, true, false}}},
		{"an earlier instruction", "b827000000 4889df | 0f05 c3", 39, false, []want{
			{Direct, 0, true, 0, 0x10005 + 1<<31 - 1, 0, true, false},
			{Direct, 1, true, 0x10008 + 2 + 0x050f0000, 0x10008 + 2 + 0x050fffff, 0, false, false}}},
		{"a branch to the site", "b827000000 | 0f05 74fc c3", 39, false, []want{
			{Direct, 0, true, 0, 0x10005 + 1<<31 - 1, 0, true, true}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, off := code(t, test.code)
			p, err := oneFunction(0x10000, "f", b).parse(t).Analyze(0x10000 + uint64(off))
			if err != nil {
				t.Fatal(err)
			}
			if p.Number != test.number || p.FlagsDead != test.flagsDead {
				t.Errorf("number %d, flags dead %t", p.Number, p.FlagsDead)
			}
			for _, w := range test.want {
				found := false
				for _, o := range p.Options {
					d := o.Dest(0)
					found = found || w == want{o.Shape, o.First, o.Online, d.First, d.Last, o.Padding.Start, o.Folded, o.Bypassed}
				}
				if !found {
					t.Errorf("no %+v among %+v", w, p.Options)
				}
			}
		})
	}
}

// TestRefusals: each reason.
func TestRefusals(t *testing.T) {
	cancel := "8b07 f60708 7526 4989fb 4889f0 4889d7 4889ce 4c89c2 4d89ca 4c8b442408 4c8b4c2410 4c895c2408 | 0f05 c3 90 90 0f0b"
	for _, test := range []struct {
		name, function, code string
		want                 Reason
	}{
		{"not a syscall", "f", "b827000000 | 0f0b", NotSyscall},
		{"inside an instruction", "f", "48b8 000000000000 | 0f05 c3", NotReached},
		{"with a prefix", "f", "b827000000 48 | 0f05 c3", NotReached},
		{"data behind a jump", "f", "eb02 | 0f05 c3 06", NotReached},
		{"clone", "f", "b838000000 | 0f05 c3", NeverCall},
		{"clone3, number earlier", "f", "b8b3010000 4889df | 0f05 c3", NeverCall},
		{"vfork", "f", "b83a000000 | 0f05 c3", NeverCall},
		{"exec", "f", "b83b000000 | 0f05 c3", NeverCall},
		{"rt_sigreturn", "f", "48c7c00f000000 | 0f05", NeverCall},
		{"Go's vfork", "syscall.rawVforkSyscall", "4889df | 0f05 c3", GoVfork},
		{"cancellation window of glibc 2.41, no symbols", "", cancel, CancelWindow},
		{"at the function's start", "f", "| 0f05 c3", NoPredecessor},
		{"reached by a jump only", "f", "eb02 6690 | 0f05 c3", NoPredecessor},
		{"behind a return", "f", "7401 c3 | 0f05 c3", NoPredecessor},
		{"a call before it", "f", "e800000000 | 0f05 c3", Immovable},
		{"a push before it", "f", "50 | 0f05 c3", Immovable},
		{"a branch before it", "f", "7400 | 0f05 c3", Immovable},
		{"stack pointer", "f", "4883ec08 | 0f05 c3", Immovable},
		{"no room: one byte, and a branch before it", "f", "7400 90 | 0f05 c3", NoShape},
		{"a branch into it", "f", "7402 b827000000 | 0f05 c3", BranchInside},
		{"a branch over a prefix", "f", "7401 f0480fb10f | 0f05 c3", BranchInside},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, off := code(t, test.code)
			_, err := oneFunction(0x10000, test.function, b).parse(t).Analyze(0x10000 + uint64(off))
			if !errors.Is(err, &Refusal{Reason: test.want}) {
				t.Errorf("%v, not %v", err, test.want)
			}
		})
	}
	b, off := code(t, "b827000000 | 0f05 c3")
	site := 0x10000 + uint64(off)
	writable := oneFunction(0x10000, "f", b)
	writable.flags = 7
	if _, err := writable.parse(t).Analyze(site); !errors.Is(err, &Refusal{Reason: NotCode}) {
		t.Errorf("writable segment: %v", err)
	}
	unknown := oneFunction(0x10000, "f", b)
	unknown.symbols = nil
	if _, err := unknown.parse(t).Analyze(site); !errors.Is(err, &Refusal{Reason: UnknownStart}) {
		t.Errorf("no symbols: %v", err)
	}
	long := oneFunction(0x10000, "f", append(b, bytes.Repeat([]byte{0x90}, maxFunction)...))
	if _, err := long.parse(t).Analyze(site); !errors.Is(err, &Refusal{Reason: TooLong}) {
		t.Errorf("long function: %v", err)
	}
	labelled := oneFunction(0x10000, "f", b)
	labelled.symbols = append(labelled.symbols, imageSymbol{"__cp_begin", 0x10000, 0, 0}, imageSymbol{"__cp_end", site + 2, 0, 0})
	if _, err := labelled.parse(t).Analyze(site); !errors.Is(err, &Refusal{Reason: CancelWindow}) {
		t.Errorf("labels: %v", err)
	}
	for r := NotSyscall; r <= NoShape; r++ {
		if strings.HasPrefix(r.String(), "reason") {
			t.Errorf("reason %d has no name", r)
		}
	}
}
