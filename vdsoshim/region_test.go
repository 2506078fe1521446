package vdsoshim

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// testFiles are what the tests need gcc for: the program that runs the handoff
// routine, and the vDSO of a kernel that does not exist.
var testFiles = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "vdsoshim"); err != nil {
		return "", err
	}
	noteSources("testdata/region/*")
	for _, args := range [][]string{
		{"-O1", "-Wall", "-fno-omit-frame-pointer", "-mno-red-zone", "-o", filepath.Join(dir, "region"),
			"main.c", "handoff.c", "functions.c", "getrandom.c", "reflected.c", "unwind.c"},
		{"-shared", "-nostdlib", "-Wl,-soname,linux-vdso.so.1", "-Wl,--hash-style=both", "-Wl,--build-id=none",
			"-Wl,-z,max-page-size=4096", "-Wl,-T,fake.lds", "-s", "-o", filepath.Join(dir, "fake.so"), "fake.S"},
	} {
		cmd := exec.Command("gcc", args...)
		cmd.Dir = filepath.Join("testdata", "region")
		if out, err := cmd.CombinedOutput(); err != nil {
			os.Stderr.Write(out)
			return dir, err
		}
	}
	return dir, nil
})

// noteSources reads the files that other programs read for a test, so that go
// test doesn't take an old result for theirs.
func noteSources(pattern string) {
	files, _ := filepath.Glob(pattern)
	for _, name := range files {
		os.ReadFile(name)
	}
}

func TestMain(m *testing.M) {
	status := m.Run()
	if dir, _ := testFiles(); dir != "" {
		os.RemoveAll(dir)
	}
	os.Exit(status)
}

func testFile(t testing.TB, name string) string {
	t.Helper()
	dir, err := testFiles()
	if err != nil {
		t.Fatalf("compile the test program (on Debian: apt-get install gcc libc6-dev): %v", err)
	}
	return filepath.Join(dir, name)
}

func withGenerator(o Options) Options {
	o.Bind, o.Blocks = everything(Shim), ChachaScalarOff
	return o
}

// withBlocks is a generator with that block function, if it can run here.
func withBlocks(b Block, o Options) Options {
	o = withGenerator(o)
	if b.Usable() == nil {
		o.Blocks = b.Off()
	}
	return o
}

func everything(b Binding) func(string) Binding { return func(string) Binding { return b } }

func memfd(t *testing.T, size int64) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("region", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "region")
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestHandoff(t *testing.T) {
	fake := testFile(t, "fake.so")
	fakeBytes, err := os.ReadFile(fake)
	if err != nil {
		t.Fatal(err)
	}
	fakeImage, err := Parse(fakeBytes)
	if err != nil {
		t.Fatal(err)
	}
	kernel, kernelBytes, err := Kernel()
	if err != nil {
		t.Fatal(err)
	}
	long := append(append([]byte(nil), fakeBytes...), make([]byte, 3*PageSize)...)
	for _, tt := range []struct {
		name, mode string
		o          Options
		user       []byte
		kernel     string // a file in place of the running kernel's vDSO
	}{
		{name: "forward", mode: "functions", o: Options{Kernel: kernel}},
		{name: "shim", mode: "shim", o: Options{Kernel: kernel, Bind: everything(Shim)}},
		{name: "stub", mode: "stubs", o: Options{Kernel: kernel, Bind: everything(Stub)}},
		{name: "counted forward", mode: "counters", o: Options{Kernel: kernel, Count: true}},
		{name: "counted shim", mode: "counters", o: Options{Kernel: kernel, Count: true, Bind: everything(Shim)}},
		{name: "counted stub", mode: "counters", o: Options{Kernel: kernel, Count: true, Bind: everything(Stub)}},
		{name: "counted getrandom", mode: "shim", o: Options{Kernel: kernel, Count: true, Bind: everything(Shim)}},
		{name: "unwind forward", mode: "unwind", o: Options{Kernel: kernel}},
		{name: "unwind shim", mode: "unwindgate", o: Options{Kernel: kernel, Bind: everything(Shim)}},
		{name: "unwind stub", mode: "unwind", o: Options{Kernel: kernel, Bind: everything(Stub)}},
		{name: "unwind counted", mode: "unwindgate", o: Options{Kernel: kernel, Count: true, Bind: everything(Shim)}},
		{name: "symbols unheard of", mode: "madeup", o: Options{Kernel: fakeImage, Bind: everything(Shim)}, kernel: fake},
		{name: "symbols unheard of, counted", mode: "madeup", o: Options{Kernel: fakeImage, Count: true, Bind: everything(Shim)}, kernel: fake},
		{name: "more than 2 GiB", mode: "cap", o: Options{Kernel: fakeImage, Bind: everything(Shim)}, kernel: fake},
		{name: "generator", mode: "shim", o: withGenerator(Options{Kernel: kernel})},
		{name: "generator without droppable memory", mode: "shim", o: withGenerator(Options{Kernel: kernel, NoDroppable: true})},
		{name: "generator, counted", mode: "shim", o: withGenerator(Options{Kernel: kernel, Count: true})},
		{name: "generator, kernel without", mode: "madeup", o: withGenerator(Options{Kernel: fakeImage}), kernel: fake},
		{name: "generator, more than 2 GiB", mode: "cap", o: withGenerator(Options{Kernel: kernel})},
		{name: "generator, unwind", mode: "unwindgate", o: withGenerator(Options{Kernel: kernel})},
		{name: "generator, reflected call", mode: "reflected", o: withGenerator(Options{Kernel: kernel})},
		{name: "generator, AVX2", mode: "shim", o: withBlocks(AVX2, Options{Kernel: kernel})},
		{name: "generator, AVX2, unwind", mode: "unwindgate", o: withBlocks(AVX2, Options{Kernel: kernel})},
		{name: "generator, AVX-512", mode: "shim", o: withBlocks(AVX512, Options{Kernel: kernel})},
		{name: "generator, AVX-512, unwind", mode: "unwindgate", o: withBlocks(AVX512, Options{Kernel: kernel})},
		{name: "generator, slots taken", mode: "slotstaken", o: withGenerator(Options{Kernel: kernel})},
		{name: "user's image", mode: "user", o: Options{Kernel: fakeImage}, user: fakeBytes, kernel: fake},
		{name: "user's image over the kernel's", mode: "userkernel", o: Options{Kernel: kernel, Bind: everything(Stub)}, user: kernelBytes},
		{name: "user's image, longer", mode: "user", o: Options{Kernel: fakeImage}, user: long, kernel: fake},
		{name: "user's image, no room", mode: "usertaken", o: Options{Kernel: fakeImage}, user: long, kernel: fake},
		{name: "link page taken", mode: "link", o: Options{Kernel: kernel}},
		{name: "link page taken, counted", mode: "link", o: Options{Kernel: kernel, Count: true}},
		{name: "control page taken", mode: "control", o: Options{Kernel: kernel}},
		{name: "counters taken", mode: "countersfull", o: Options{Kernel: kernel, Count: true}},
		{name: "no vDSO", mode: "auxv", o: Options{Kernel: kernel}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.mode == "cap" && testing.Short() {
				t.Skip("takes seconds")
			}
			built, err := Complete(tt.o)
			if err != nil {
				t.Fatal(err)
			}
			base, err := Base(0)
			if err != nil {
				t.Fatal(err)
			}
			file := memfd(t, UserOff+int64(len(tt.user)))
			file.WriteAt(built.Bytes, 0)
			file.WriteAt(binary.LittleEndian.AppendUint64(nil, 12345), ControlOff)
			file.WriteAt(tt.user, UserOff)
			cmd := exec.Command(testFile(t, "region"))
			cmd.ExtraFiles = []*os.File{file}
			counters := "-1"
			if tt.o.Count {
				cmd.ExtraFiles = append(cmd.ExtraFiles, memfd(t, CountersSize))
				counters = "4"
			}
			slots := "0"
			if tt.o.Blocks != 0 {
				slots = strconv.Itoa(SlotsOff)
			}
			number := func(n uint64) string { return strconv.FormatUint(n, 10) }
			cmd.Args = []string{"region", tt.mode, "3", counters, number(base), number(HandoffOff), number(LinkOff),
				number(ControlOff), number(CountersOff), strconv.Itoa(len(tt.user)),
				number(GateOff), tt.kernel, slots, number(ReflectedGetrandomOff)}
			out, err := cmd.CombinedOutput()
			if err != nil || len(out) > 0 {
				t.Fatalf("%v\n%s", err, out)
			}
		})
	}
}
