package patch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/reflect/site"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

const (
	testBase = 0x40000
	testNear = 0x7f0000000000
	testBias = testNear + 0x1000000
)

// A fake is a process's memory: page by page, zero where nothing was written.
type fake struct {
	pages  map[uint64]*[4096]byte
	writes []part
	fail   int // the write that fails, counted from 1
	err    error
}

func newFake() *fake {
	f := &fake{pages: map[uint64]*[4096]byte{}}
	for word, v := range map[uint64]uint64{
		vdsoshim.LinkStubs: testBase + vdsoshim.StubsOff, vdsoshim.LinkNearLibraries: testNear,
	} {
		f.copy(testBase+vdsoshim.LinkOff+8*word, binary.LittleEndian.AppendUint64(nil, v), true)
	}
	return f
}

func (f *fake) copy(addr uint64, b []byte, write bool) {
	for len(b) > 0 {
		page := f.pages[addr>>12]
		if page == nil {
			page = new([4096]byte)
			f.pages[addr>>12] = page
		}
		n := min(len(b), 4096-int(addr&4095))
		if write {
			copy(page[addr&4095:], b[:n])
		} else {
			copy(b[:n], page[addr&4095:])
		}
		addr, b = addr+uint64(n), b[n:]
	}
}

func (f *fake) read(addr uint64, b []byte) error {
	f.copy(addr, b, false)
	return nil
}

func (f *fake) write(addr uint64, b []byte) error {
	f.writes = append(f.writes, part{addr, slices.Clone(b)})
	if len(f.writes) == f.fail {
		return f.err
	}
	f.copy(addr, b, true)
	return nil
}

// subject is a site of this test's own executable.
type subject struct {
	p    *Patcher
	plan *site.Plan
	o    site.Option
}

// subjects are sites whose best option is of each shape.
func subjects(t *testing.T) map[site.Shape]subject {
	t.Helper()
	kernel, _, err := vdsoshim.Kernel()
	if err != nil {
		t.Fatal(err)
	}
	built, err := vdsoshim.Complete(vdsoshim.Options{Kernel: kernel, Answers: map[int]vdsoshim.Answer{
		unix.SYS_GETPPID: {Kind: vdsoshim.AnswerKernel}, unix.SYS_GETUID: {Kind: vdsoshim.AnswerConstant, Value: 77},
	}})
	if err != nil {
		t.Fatal(err)
	}
	out := map[site.Shape]subject{}
	for _, path := range []string{"/proc/self/exe", "/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"} {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		f, err := site.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range f.Sites() {
			plan, err := f.Analyze(at)
			if err != nil {
				continue
			}
			for _, o := range plan.Options {
				dest := o.Dest(testBias)
				room := dest.Contains(testNear+0x4000) || dest.Contains(testBase+vdsoshim.StubsOff+0x4000)
				if _, have := out[o.Shape]; !have && o.Online && room && o.Stub(testBias).Contains(testNear+0x4000) {
					only := *plan
					only.Options = []site.Option{o}
					out[o.Shape] = subject{New(testBase, built), &only, o}
				}
			}
		}
	}
	if _, ok := out[site.Direct]; !ok {
		t.Fatal("no site with a direct jump")
	}
	if _, ok := out[site.Relay]; !ok {
		t.Fatal("no site with a relay")
	}
	return out
}

// load puts the code that a subject's patch relies on into memory.
func (s subject) load(t *testing.T, f *fake) site.Patch {
	t.Helper()
	patch, err := s.plan.Patch(s.o, testBias, s.o.Dest(testBias).First)
	if err != nil {
		t.Fatal(err)
	}
	f.copy(patch.Keep.Start, s.plan.Code(patch, testBias), true)
	for _, w := range patch.Writes {
		f.copy(w.Addr, w.Old, true)
	}
	return patch
}

func (s subject) patch(f *fake, nr int) error {
	_, err := s.p.patch(f, s.plan, testBias, nr, 0, nil)
	return err
}

func each(t *testing.T, test func(t *testing.T, s subject)) {
	for shape, s := range subjects(t) {
		t.Run(shape.String(), func(t *testing.T) { test(t, s) })
	}
}

// TestOrder: the jump is the last thing written, by one aligned word of which
// nothing else changes; what it leads to is there by then.
func TestOrder(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		f := newFake()
		patch := s.load(t, f)
		last := patch.Writes[len(patch.Writes)-1]
		around := bytes.Repeat([]byte{0xa5}, 8)
		word := last.Addr &^ 7
		f.read(word, around)
		if err := s.patch(f, unix.SYS_GETPPID); err != nil {
			t.Fatal(err)
		}
		for i, w := range f.writes {
			end := w.addr + uint64(len(w.code))
			inside := w.addr < word+8 && end > word
			switch {
			case i == len(f.writes)-1:
				want := slices.Clone(around)
				copy(want[last.Addr-word:], w.code[last.Addr-word:][:len(last.New)])
				if w.addr != word || len(w.code) != 8 || !bytes.Equal(w.code, want) || bytes.Equal(w.code, around) {
					t.Errorf("the last write is % x at %#x, the word was % x at %#x", w.code, w.addr, around, word)
				}
			case inside && (w.addr != word || !bytes.Equal(w.code, around)):
				t.Errorf("write %d of %d changes the word: % x at %#x", i, len(f.writes), w.code, w.addr)
			}
		}
		if err := s.patch(f, unix.SYS_GETPPID); err != errPatched {
			t.Errorf("once more: %v", err)
		}
	})
}

// TestFailedWrites: whichever write fails, the site is as it was.
func TestFailedWrites(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		for n := 1; n < 20; n++ {
			f := newFake()
			patch := s.load(t, f)
			last := patch.Writes[len(patch.Writes)-1]
			f.fail, f.err = n, unix.EIO
			err := s.patch(f, unix.SYS_GETPPID)
			have := make([]byte, len(last.Old))
			f.read(last.Addr, have)
			if err == nil {
				if n < 5 || bytes.Equal(have, last.Old) {
					t.Errorf("all went well with %d writes", len(f.writes))
				}
				return
			}
			if !errors.Is(err, ErrForbidden) || !errors.Is(err, unix.EIO) || len(f.writes) != n {
				t.Errorf("write %d failed: %v, and %d were made", n, err, len(f.writes))
			}
			if !bytes.Equal(have, last.Old) {
				t.Errorf("write %d failed, the site is % x", n, have)
			}
			// It can be done later.
			f.fail = 0
			if err := s.patch(f, unix.SYS_GETPPID); err != nil && len(patch.Writes) == 1 {
				t.Errorf("after write %d failed, once more: %v", n, err)
			}
		}
		t.Error("never without a failure")
	})
}

// TestChangedCode: nothing is written where the code is not the file's, a debugger's
// breakpoint included.
func TestChangedCode(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		keep := s.load(t, newFake()).Keep
		for addr := keep.Start; addr < keep.End; addr++ {
			f := newFake()
			s.load(t, f)
			f.copy(addr, []byte{0xcc}, true)
			if err := s.patch(f, unix.SYS_GETPPID); err != ErrModified || len(f.writes) != 0 {
				t.Errorf("a breakpoint at +%d: %v, %d writes", addr-keep.Start, err, len(f.writes))
			}
		}
	})
}

// TestNeighbours: what another wrote into the word of the jump stays.
func TestNeighbours(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		f := newFake()
		patch := s.load(t, f)
		last := patch.Writes[len(patch.Writes)-1]
		word := last.Addr &^ 7
		tested := false
		for addr := word; addr < word+8; addr++ {
			if addr >= patch.Keep.Start && addr < patch.Keep.End {
				continue
			}
			tested = true
			f.copy(addr, []byte{0xcc}, true)
		}
		if err := s.patch(f, unix.SYS_GETPPID); err != nil {
			t.Fatal(err)
		}
		for addr := word; addr < word+8; addr++ {
			var b [1]byte
			if f.read(addr, b[:]); (addr < patch.Keep.Start || addr >= patch.Keep.End) && b[0] != 0xcc {
				t.Errorf("+%d is %#x", addr-word, b[0])
			}
		}
		t.Logf("the word has other bytes: %v", tested)
	})
}

// TestTakenPadding: a relay in padding that another site's patch took.
func TestTakenPadding(t *testing.T) {
	s := subjects(t)[site.Relay]
	f := newFake()
	relay := s.load(t, f).Writes[0]
	f.copy(relay.Addr, []byte{0xe9, 1, 2, 3, 4}, true)
	if err := s.patch(f, unix.SYS_GETPPID); err != errTaken && err != ErrOffline {
		t.Error(err)
	}
	if len(f.writes) != 0 {
		t.Errorf("%d writes", len(f.writes))
	}
}

// TestReload: code that is mapped again and again is patched each time, with what is
// there from before once the memory is full.
func TestReload(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		f := newFake()
		for i := range 1500 {
			s.load(t, f)
			if err := s.patch(f, unix.SYS_GETPPID); err != nil {
				if s.o.Shape == site.Indirect || s.o.Shape == site.IndirectRelay {
					return // its word is not found again
				}
				t.Fatalf("time %d: %v", i, err)
			}
		}
	})
}

// TestFull: another site finds no memory then, and nothing is written.
func TestFull(t *testing.T) {
	s := subjects(t)[site.Direct]
	f := newFake()
	s.load(t, f)
	for _, a := range []area{{start: testBase + vdsoshim.StubsOff, size: vdsoshim.StubsSize}, {start: testNear, size: vdsoshim.NearSize}} {
		for _, used := range []uint64{a.size - 8, a.size, a.size + 1, 1 << 63, ^uint64(0)} {
			f.writes = nil
			f.copy(a.start, binary.LittleEndian.AppendUint64(nil, used), true)
			if err := s.patch(f, unix.SYS_GETPPID); err != errNoArea || len(f.writes) != 0 {
				t.Errorf("%#x bytes used of %#x: %v, %d writes", used, a.size, err, len(f.writes))
			}
		}
		f.copy(a.start, make([]byte, 8), true)
	}
}
