package elf

import (
	"bytes"
	stdelf "debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// binaries are files of this machine: programs, libraries, and this test.
func binaries(t testing.TB) map[string][]byte {
	t.Helper()
	paths, _ := filepath.Glob("/lib/x86_64-linux-gnu/*.so.?")
	programs, _ := filepath.Glob("/usr/bin/[a-c]*")
	out := map[string][]byte{}
	for _, p := range append(append(paths, programs...), "/proc/self/exe") {
		if b, err := os.ReadFile(p); err == nil && bytes.HasPrefix(b, []byte(ELFMAG)) {
			out[p] = b
		}
	}
	if len(out) < 20 {
		t.Fatalf("only %d files to read", len(out))
	}
	return out
}

// TestFiles compares with debug/elf.
func TestFiles(t *testing.T) {
	for path, b := range binaries(t) {
		got, err := New(b)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		want, err := stdelf.NewFile(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if err := compare(got, want); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func compare(got *File, want *stdelf.File) error {
	if uint16(got.Type) != uint16(want.Type) || uint16(got.Machine) != uint16(want.Machine) || got.Entry != want.Entry {
		return fmt.Errorf("%+v, not %+v", got, want.FileHeader)
	}
	if len(got.Progs) != len(want.Progs) || len(got.Sections) != len(want.Sections) {
		return fmt.Errorf("%d segments and %d sections, not %d and %d", len(got.Progs), len(got.Sections), len(want.Progs), len(want.Sections))
	}
	for i, p := range want.Progs {
		w := ProgHeader{ProgType(p.Type), ProgFlag(p.Flags), p.Off, p.Vaddr, p.Paddr, p.Filesz, p.Memsz, p.Align}
		if got.Progs[i] != w {
			return fmt.Errorf("segment %d: %+v, not %+v", i, got.Progs[i], w)
		}
	}
	for i, s := range want.Sections {
		g := got.Sections[i]
		g.name = 0
		w := Section{Name: s.Name, Type: SectionType(s.Type), Flags: SectionFlag(s.Flags), Addr: s.Addr, Offset: s.Offset, Size: s.FileSize, Link: s.Link}
		if g != w {
			return fmt.Errorf("section %d: %+v, not %+v", i, g, w)
		}
		if g := got.Section(s.Name); g == nil || g.Offset != want.Section(s.Name).Offset {
			return fmt.Errorf("section %q: %+v", s.Name, g)
		}
		if g := got.SectionByType(SectionType(s.Type)); g == nil || g.Offset != want.SectionByType(s.Type).Offset {
			return fmt.Errorf("section of type %v: %+v", s.Type, g)
		}
	}
	return nil
}

// TestNames: numbers print as they do in debug/elf.
func TestNames(t *testing.T) {
	known := 0
	for n := range uint64(DT_PREINIT_ARRAY) { // that is DT_ENCODING there
		if s := DynTag(n).String(); s[0] == 'D' {
			known++
			if want := stdelf.DynTag(n).String(); s != want {
				t.Errorf("tag %d is %s, not %s", n, s, want)
			}
		}
	}
	for _, tag := range []DynTag{DT_GNU_HASH, DT_VERSYM, DT_VERDEF, DT_VERDEFNUM} {
		if got, want := tag.String(), stdelf.DynTag(tag).String(); got != want {
			t.Errorf("tag %#x is %s, not %s", uint64(tag), got, want)
		}
	}
	for _, bind := range []SymBind{STB_LOCAL, STB_GLOBAL, STB_WEAK} {
		if got, want := bind.String(), stdelf.SymBind(bind).String(); got != want {
			t.Errorf("binding %d is %s, not %s", uint8(bind), got, want)
		}
	}
	if known < 15 {
		t.Errorf("only %d tags have names", known)
	}
}

// FuzzNew: what New reads, debug/elf reads alike, where it does.
func FuzzNew(f *testing.F) {
	small := []byte(ELFMAG + "\x02\x01\x01")
	small = append(small, make([]byte, ehdrSize-len(small))...)
	f.Add(small)
	for _, b := range binaries(f) {
		if len(b) < 40<<10 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := New(b)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Error(err)
			}
			return
		}
		if want, err := stdelf.NewFile(bytes.NewReader(b)); err == nil {
			if err := compare(got, want); err != nil {
				t.Error(err)
			}
		}
	})
}
