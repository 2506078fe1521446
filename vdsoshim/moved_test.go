package vdsoshim

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sysreflect/sysreflect/internal/elf"
)

// tableOf reads the sorted table that PT_GNU_EH_FRAME of an image points to: functions, and what
// describes them, as addresses.
func tableOf(t *testing.T, m *Image) (rows []movedFrame) {
	t.Helper()
	for _, p := range m.segments {
		if p.Type != elf.PT_GNU_EH_FRAME {
			continue
		}
		b, ok := m.at(p.Vaddr)
		if !ok || b[3] != 0x3b {
			t.Fatalf("header % x", b[:4])
		}
		at := func(off uint32) uint64 { return p.Vaddr + uint64(int64(int32(le.Uint32(b[off:])))) }
		for i := range le.Uint32(b[8:]) {
			rows = append(rows, movedFrame{at(12 + 8*i), at(16 + 8*i)})
		}
	}
	return rows
}

// unwinding returns what describes a function: the common part and its own, without addresses, and
// the address that it is for.
func (m *Image) unwinding(t *testing.T, at uint64) (common, own []byte, function uint64) {
	t.Helper()
	b, ok := m.at(at)
	if !ok {
		t.Fatalf("%#x is outside the image", at)
	}
	record := func(b []byte) []byte { return b[:4+le.Uint32(b)] }
	cie, ok := m.at(at + 4 - uint64(le.Uint32(b[4:])))
	if !ok {
		t.Fatalf("what %#x has in common is outside the image", at)
	}
	return record(cie), record(b)[12:], at + 8 + uint64(int64(int32(le.Uint32(b[8:]))))
}

// The image's unwind tables describe each of the kernel's functions as the kernel's do, where it is
// moved to, and its own as ever.
func TestMovedTables(t *testing.T) {
	kernel, _, err := Kernel()
	if err != nil {
		t.Fatal(err)
	}
	data := KernelData()
	if len(data) == 0 {
		t.Fatal("the kernel's data is not found in front of its vDSO")
	}
	built, err := Complete(Options{Kernel: kernel, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse(built.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	own, theirs, all := tableOf(t, ownTemplate(t)), tableOf(t, kernel), tableOf(t, m)
	if len(all) != len(own)+len(theirs) || len(theirs) == 0 || !slices.Equal(all[:len(own)], own) {
		t.Fatalf("%d rows of %d and %d", len(all), len(own), len(theirs))
	}
	if !slices.IsSortedFunc(all, func(a, b movedFrame) int { return int(int64(a.function - b.function)) }) {
		t.Error("the table is not sorted")
	}
	from := uint64(KernelOff)
	for _, n := range data {
		from += n
	}
	for i, row := range all[len(own):] {
		common, rest, function := m.unwinding(t, row.entry)
		wantCommon, wantRest, was := kernel.unwinding(t, theirs[i].entry)
		if function != row.function || function != from+was-kernel.bias {
			t.Errorf("row %d is for %#x, its entry for %#x, the function is at %#x", i, row.function, function, from+was-kernel.bias)
		}
		if !bytes.Equal(common, wantCommon) || !bytes.Equal(rest, wantRest) {
			t.Errorf("row %d: % x % x, the kernel's has % x % x", i, common, rest, wantCommon, wantRest)
		}
	}
	moved := built.Bytes[planOff+planMoved:]
	sum := uint64(0)
	for i := range maxMoved {
		sum += uint64(le.Uint32(moved[4*i:]))
	}
	if size := uint64(le.Uint32(moved[4*(maxMoved-1):])); size != kernel.Size() || KernelOff+sum != from+size {
		t.Errorf("% x is to be moved", moved[:4*maxMoved])
	}
}

func ownTemplate(t *testing.T) *Image {
	m, _, err := Own()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// What can't be described stays where it is: the image is as without, and nothing is out of bounds.
func TestStays(t *testing.T) {
	kernel, b, err := Kernel()
	if err != nil {
		t.Fatal(err)
	}
	plain, err := Complete(Options{Kernel: kernel})
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]uint64{
		nil, {PageSize, PageSize, PageSize, PageSize}, {KernelRoom}, {KernelRoom - kernel.Size(), PageSize},
	} {
		built, err := Complete(Options{Kernel: kernel, Data: data})
		if err != nil || !bytes.Equal(built.Bytes, plain.Bytes) {
			t.Errorf("data of % x bytes is moved: %v", data, err)
		}
	}
	begin, _, ok := kernel.frameHeader()
	if !ok {
		t.Fatal("the unwind tables of the kernel's vDSO are not found")
	}
	rng := rand.New(rand.NewPCG(41, 42))
	stayed, moved := 0, 0
	for range 4000 {
		b := slices.Clone(b)
		for range 1 + rng.IntN(4) {
			at := begin - kernel.bias - 128 + rng.Uint64N(512)
			b[at%uint64(len(b))] = byte(rng.Uint32())
		}
		m, err := Parse(b)
		if err != nil {
			continue
		}
		built, err := Complete(Options{Kernel: m, Data: []uint64{PageSize}})
		switch {
		case err != nil:
		case le.Uint32(built.Bytes[planOff+planMoved+4*(maxMoved-1):]) == 0:
			stayed++
			m, err := Parse(built.Bytes)
			if err != nil || len(tableOf(t, m)) != len(tableOf(t, ownTemplate(t))) {
				t.Fatalf("what stays is described: %v", err)
			}
		default:
			moved++
		}
	}
	if stayed == 0 || moved == 0 {
		t.Errorf("%d stayed, %d were moved", stayed, moved)
	}
}

func TestDataBefore(t *testing.T) {
	const (
		program = "00400000-00401000 r-xp 00000000 fe:00 1  /usr/bin/[vdso]\n"
		vvar    = "7000000000-7000004000 r--p 00000000 00:00 0                          [vvar]\n"
		clock   = "7000004000-7000006000 r--p 00000000 00:00 0                          [vvar_vclock]\n"
		vdso    = "7000006000-7000008000 r-xp 00000000 00:00 0                          [vdso]\n"
		rest    = "7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                      [stack]\n"
	)
	for _, test := range []struct {
		maps       string
		begin, end uint64
		want       []uint64
	}{
		{program + vvar + clock + vdso + rest, 0x7000006000, 0x7000008000, []uint64{0x4000, 0x2000}},
		{program + clock + vdso, 0x7000006000, 0x7000008000, []uint64{0x2000}},
		{program + vvar + vdso, 0x7000006000, 0x7000008000, nil}, // a gap
		{vvar + clock + vdso, 0x7000006000, 0x7000009000, nil},   // longer
		{vvar + clock + vdso, 0x7000007000, 0x7000008000, nil},
		{vdso, 0x7000006000, 0x7000008000, nil},
		{vvar + clock, 0x7000006000, 0x7000008000, nil},
		{"", 0x7000006000, 0x7000008000, nil},
	} {
		if got := dataBefore([]byte(test.maps), test.begin, test.end); !slices.Equal(got, test.want) {
			t.Errorf("%#x to %#x of\n%sis %#x, not %#x", test.begin, test.end, test.maps, got, test.want)
		}
	}
}
