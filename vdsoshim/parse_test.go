package vdsoshim

import (
	"bytes"
	stdelf "debug/elf"
	"errors"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/sysreflect/sysreflect/internal/elf"
)

// samples are images from three linkers' hands: the kernel's, ours as linked
// and completed, and one with two versions and data.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	_, kernel, err := Kernel()
	if err != nil {
		t.Fatal(err)
	}
	_, own, err := Own()
	if err != nil {
		t.Fatal(err)
	}
	k, _, _ := Kernel()
	built, err := Complete(Options{Kernel: k})
	if err != nil {
		t.Fatal(err)
	}
	fake, err := os.ReadFile(testFile(t, "fake.so"))
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{"kernel": kernel, "own": own, "completed": built.Bytes, "made up": fake}
}

// TestParse compares with debug/elf, which reads section headers where Parse
// reads the dynamic segment.
func TestParse(t *testing.T) {
	for name, b := range samples(t) {
		t.Run(name, func(t *testing.T) {
			m, err := Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			f, err := stdelf.NewFile(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			want, err := f.DynamicSymbols()
			if err != nil {
				t.Fatal(err)
			}
			got := m.Symbols()
			if len(got) != len(want) || len(got) == 0 {
				t.Fatalf("%d symbols, not %d", len(got), len(want))
			}
			for i, w := range want {
				g := got[i]
				if g.Name != w.Name || g.Version != w.Version || g.Value != w.Value || g.Size != w.Size ||
					elf.ST_INFO(g.Bind, g.Type) != w.Info || int(g.Section) != int(w.Section) {
					t.Errorf("%+v, not %+v", g, w)
				}
				for kind, lookup := range map[string]func(string, string) (Symbol, bool){
					"DT_HASH": m.lookupSysV, "DT_GNU_HASH": m.lookupGNU, "Lookup": m.Lookup,
				} {
					for _, version := range []string{g.Version, ""} {
						if s, ok := lookup(g.Name, version); !ok || s != g {
							t.Errorf("%s: %s@%s is %+v, %t", kind, g.Name, version, s, ok)
						}
					}
					if s, ok := lookup(g.Name, "LINUX_2.7"); ok {
						t.Errorf("%s: %s@LINUX_2.7 is %+v", kind, g.Name, s)
					}
					if s, ok := lookup(g.Name+"x", ""); ok {
						t.Errorf("%s: %sx is %+v", kind, g.Name, s)
					}
				}
			}
			if m.Soname() != "linux-vdso.so.1" || !slices.Contains(m.Versions(), "LINUX_2.6") {
				t.Errorf("name %q, versions %q", m.Soname(), m.Versions())
			}
			if size := m.Size(); size != uint64(len(b)+PageSize-1)&^(PageSize-1) {
				t.Errorf("size %#x of %#x bytes", size, len(b))
			}
			off, ok := m.SyscallInsn()
			if !ok || b[off] != 0x0f || b[off+1] != 0x05 {
				t.Errorf("system call instruction: %#x, %t", off, ok)
			}
		})
	}
}

// TestParseOneHash: either table alone is enough.
func TestParseOneHash(t *testing.T) {
	for _, hide := range []elf.DynTag{elf.DT_HASH, elf.DT_GNU_HASH} {
		for name, b := range samples(t) {
			whole, err := Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			b = bytes.Clone(b)
			for _, p := range whole.segments {
				for d := b[p.Off:]; p.Type == elf.PT_DYNAMIC; d = d[16:] {
					if elf.DynTag(le.Uint64(d)) == hide {
						le.PutUint64(d, uint64(elf.DT_DEBUG))
						break
					}
				}
			}
			m, err := Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(m.Symbols(), whole.Symbols()) {
				t.Errorf("%s without %v: %v", name, hide, m.Symbols())
			}
			for _, s := range whole.Symbols() {
				if got, ok := m.Lookup(s.Name, s.Version); !ok || got != s {
					t.Errorf("%s without %v: %s is %v", name, hide, s.Name, got)
				}
			}
		}
	}
}

// TestParseCut: no prefix of an image, and no image with a byte changed, makes
// Parse or the lookups panic or run on.
func TestParseCut(t *testing.T) {
	for name, b := range samples(t) {
		for n := 0; n < len(b); n += 7 {
			if _, err := Parse(b[:n]); err != nil && !errors.Is(err, ErrFormat) {
				t.Fatalf("%s cut to %d bytes: %v", name, n, err)
			}
		}
		for i := range min(len(b), 0x1c00) {
			c := bytes.Clone(b)
			c[i] ^= 0xff
			exercise(c)
		}
	}
}

// exercise does all that there is to do with an image.
func exercise(b []byte) {
	m, err := Parse(b)
	if err != nil {
		return
	}
	for _, s := range m.Symbols() {
		m.lookupGNU(s.Name, s.Version)
		m.lookupSysV(s.Name, s.Version)
	}
	m.Lookup("__vdso_getrandom", "LINUX_2.6")
	m.SyscallInsn()
	m.Size()
	m.Versions()
	m.notes()
	CheckShape(b)
	// A kernel's image that is not one must not spoil ours.
	if built, err := Complete(Options{Kernel: m, Count: true, Bind: everything(Shim)}); err == nil {
		if _, err := Parse(built.Bytes); err != nil {
			panic(err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, b := range samples(f) {
		f.Add(b)
	}
	f.Add([]byte(elf.ELFMAG))
	f.Fuzz(func(t *testing.T, b []byte) { exercise(b) })
}

func TestKernel(t *testing.T) {
	m, b, err := Kernel()
	if err != nil {
		t.Fatal(err)
	}
	if len(b)%PageSize != 0 || uint64(len(b)) != m.Size() {
		t.Errorf("%d bytes, size %d", len(b), m.Size())
	}
	s, ok := m.Lookup("__vdso_clock_gettime", "LINUX_2.6")
	if !ok || s.Type != elf.STT_FUNC || s.Bind != elf.STB_GLOBAL {
		t.Errorf("__vdso_clock_gettime is %+v", s)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	if i := bytes.Index(maps, []byte("[vdso]")); i < 0 {
		t.Error("this process has no [vdso]")
	}
}

// TestRebuild: the committed image is what the sources give.
func TestRebuild(t *testing.T) {
	version, err := exec.Command("gcc", "-dumpversion").Output()
	if err != nil {
		t.Fatalf("gcc (on Debian: apt-get install gcc): %v", err)
	}
	if v := string(bytes.TrimSpace(version)); v != "12" {
		t.Skipf("the committed image was built by gcc 12, this is gcc %s", v)
	}
	noteSources("shim/*")
	noteSources("internal/build/*.go")
	out, err := exec.Command("go", "run", "./internal/build", "-check").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
