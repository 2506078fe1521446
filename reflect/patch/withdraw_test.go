package patch

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/reflect/site"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

// TestWithdraw: records lead back to their sites, answers stay, and no other site gets a record.
func TestWithdraw(t *testing.T) {
	s := subjects(t)[site.Direct]
	f := newFake()
	s.load(t, f)
	if err := s.patch(f, unix.SYS_GETPPID); err != nil {
		t.Fatal(err)
	}
	read := func() []byte {
		b := make([]byte, vdsoshim.StubsSize)
		f.read(testBase+vdsoshim.StubsOff, b)
		return b
	}
	before := read()
	f.writes = nil
	if err := withdraw(f, testBase); err != nil {
		t.Fatal(err)
	}
	after, records := read(), 0
	for off := vdsoshim.StubSize; off < len(before); off += vdsoshim.StubSize {
		unit, now := before[off:off+vdsoshim.StubSize], after[off:off+vdsoshim.StubSize]
		if !vdsoshim.IsRecord(unit) {
			if !bytes.Equal(unit, now) {
				t.Errorf("%#x: % x became % x", off, unit, now)
			}
			continue
		}
		records++
		if !bytes.HasPrefix(now, vdsoshim.Withdrawn()) || !bytes.Equal(now[2:], unit[2:]) {
			t.Errorf("%#x: % x became % x", off, unit, now)
		}
	}
	if records != 1 {
		t.Errorf("%d records", records)
	}
	for _, w := range f.writes[1:] {
		if len(w.code) != 2 || w.addr%2 != 0 {
			t.Errorf("a thread may see half of % x at %#x", w.code, w.addr)
		}
	}
	again := newFake()
	s.load(t, again)
	withdraw(again, testBase)
	if err := s.patch(again, unix.SYS_GETPPID); err != errNoArea {
		t.Errorf("another site: %v", err)
	}
}
