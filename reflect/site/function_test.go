package site

import (
	"debug/elf"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestFunction: which function an address stands in, by symbols and calls.
func TestFunction(t *testing.T) {
	// f, a gap, g inside an outer symbol, hidden h that f calls, and what only
	// h's neighbours bound.
	b, _ := code(t, "e80b000000 c3 cccc | 90 c3 909090909090 90 c3 9090")
	m := image{addr: 0x10000, code: b, symbols: []imageSymbol{
		{"f", 0x10000, 6, elf.STT_FUNC}, {"g", 0x10008, 2, elf.STT_FUNC}, {"outer", 0x10008, 4, elf.STT_FUNC},
		{"label", 0x10001, 0, elf.STT_NOTYPE}, {"data", 0x10000, 16, elf.STT_OBJECT},
	}}
	f := m.parse(t)
	for _, test := range []struct {
		addr   uint64
		name   string
		want   Range
		source Source
	}{
		{0x10000, "f", Range{0x10000, 0x10006}, FromSymbols},
		{0x10005, "f", Range{0x10000, 0x10006}, FromSymbols},
		{0x10006, "", Range{0x10000, 0x10008}, FromCalls},
		{0x10008, "g", Range{0x10008, 0x1000a}, FromSymbols},
		{0x1000a, "outer", Range{0x10008, 0x1000c}, FromSymbols},
		{0x1000c, "", Range{0x10008, 0x10010}, FromCalls},
		{0x10010, "", Range{0x10010, 0x10014}, FromCalls},
	} {
		fn, ok := f.Function(test.addr)
		if !ok || fn.Name != test.name || fn.Range != test.want || fn.Source != test.source {
			t.Errorf("%#x: %+v, %t, not %+v", test.addr, fn, ok, test)
		}
	}
	for _, addr := range []uint64{0xffff, 0x10014, 0, ^uint64(0)} {
		if fn, ok := f.Function(addr); ok {
			t.Errorf("%#x: %+v", addr, fn)
		}
	}
}

// TestNumber: constants before a site.
func TestNumber(t *testing.T) {
	for _, test := range []struct {
		code string
		want int
	}{
		{"b827000000 | 0f05", 39},
		{"48c7c027000000 | 0f05", 39},
		{"49c7c427000000 4489e0 | 0f05", 39},
		{"31c0 | 0f05", 0},
		{"4831c0 | 0f05", 0},
		{"29c0 | 0f05", 0},
		{"b92a000000 8d41fd | 0f05", 39},
		{"b92a000000 488d81fdffffff | 0f05", 39},
		{"b827000000 7400 89df | 0f05", 39},
		{"48b82700000001000000 | 0f05", 39}, // the kernel looks at 32 bits
		{"b827000000 88c8 | 0f05", -1},      // a part of it is changed
		{"b827000000 b001 | 0f05", -1},
		{"b827000000 8b07 | 0f05", -1},
		{"b827000000 8907 | 0f05", 39},
		{"b827000000 93 89df | 0f05", -1}, // xchg
		{"b827000000 ffd3 89df | 0f05", -1},
		{"b827000000 4801c0 | 0f05", -1},
		{"b827000000 39c0 50 58 89df | 0f05", -1},
		{"89f8 | 0f05", -1},
		{"48c7c0ffffffff | 0f05", -1},
	} {
		b, off := code(t, test.code)
		a, err := oneFunction(0x10000, "f", b).parse(t).locate(0x10000+uint64(off), nil)
		if err != nil {
			t.Fatalf("%s: %v", test.code, err)
		}
		if n := a.number(); n != test.want {
			t.Errorf("%s: %d, not %d", test.code, n, test.want)
		}
	}
}

// TestPadding: bytes of a function that are never executed.
func TestPadding(t *testing.T) {
	for _, test := range []struct {
		name, code string
		want       []Range
	}{
		{"behind a return", "c3 660f1f440000 c3", []Range{{1, 7}}},
		{"behind a jump, in pieces", "eb05 90 0f1f4000 c3", []Range{{2, 7}}},
		{"int3", "c3 cccccccccc c3", []Range{{1, 6}}},
		{"executed", "90 660f1f440000 c3", nil},
		{"entered by a branch", "7401 c3 660f1f440000 c3", nil},
		{"entered in its middle", "7402 c3 90 90 90 c3", []Range{{3, 4}}},
		{"behind a trap", "0f0b 90 c3", []Range{{2, 3}}},
		{"behind a call: it may come back", "e800000000 90 c3", nil},
		{"jumps to who knows where", "ffe0 90 cc c3", nil},
		{"jumps to who knows where, int3", "ffe0 cccc c3", []Range{{2, 4}}},
	} {
		b, _ := code(t, test.code)
		if got := decodeBody(b, 0).padding(false); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, not %v", test.name, got, test.want)
		}
	}
}

// TestKey: same contents, same key; another layout, another; none without
// build-id.
func TestKey(t *testing.T) {
	m := oneFunction(0x10000, "f", []byte{0xc3})
	if k := m.parse(t).Key(); k != "" {
		t.Errorf("key %q without build-id", k)
	}
	m.notes = []byte("\x04\x00\x00\x00\x03\x00\x00\x00\x01\x00\x00\x00GNU\x00abi\x00" +
		"\x04\x00\x00\x00\x04\x00\x00\x00\x03\x00\x00\x00GNU\x00\x12\x34\x56\x78")
	k := m.parse(t).Key()
	if k != m.parse(t).Key() || k[:9] != "12345678-" {
		t.Errorf("key %q", k)
	}
	m.addr += 0x1000
	if moved := m.parse(t).Key(); moved == k || moved[:9] != k[:9] {
		t.Errorf("keys %q and %q", k, moved)
	}
}

// TestBias finds the test's own code by its line of /proc/self/maps.
func TestBias(t *testing.T) {
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	f, here := open(t, own), uint64(reflect.ValueOf(TestBias).Pointer())
	for line := range strings.Lines(string(maps)) {
		var start, end, offset uint64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s %x", &start, &end, &mode, &offset); err != nil {
			t.Fatal(err)
		}
		if here < start || here >= end {
			continue
		}
		bias, ok := f.Bias(start, offset)
		fn, ok2 := f.Function(here - bias)
		if !ok || !ok2 || !strings.HasSuffix(fn.Name, ".TestBias") || fn.Start != here-bias {
			t.Errorf("bias %#x, %t: %+v, %t", bias, ok, fn, ok2)
		}
		return
	}
	t.Error("no line for this function")
}
