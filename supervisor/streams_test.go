package supervisor

import (
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/reflect"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

func always() bool { return true }

// bytesOf are the first 8 bytes of what a draw gave.
func bytesOf(t *testing.T, s *reflect.Stream, pos uint64, ok bool) [8]byte {
	t.Helper()
	if !ok {
		t.Fatal("no stream")
	}
	var b [8]byte
	s.Fill(b[:], pos)
	return b
}

// A layout writes words and texts into a Fake as an initial stack has them.
func layout(m *reflect.Fake, sp, word uint64, words []uint64, texts map[uint64]string) {
	m.Map(sp, 3*reflect.PageSize, true)
	for i, w := range words {
		m.Write(sp+uint64(i)*word, binary.LittleEndian.AppendUint64(nil, w)[:word])
	}
	for at, text := range texts {
		m.Write(at, []byte(text))
	}
}

func TestReadStack(t *testing.T) {
	const sp = 0x7fff_0000_0f00 // the words reach over a page's end
	const texts, env, file = sp + 0x800, sp + 0x810, sp + 0x820
	for _, tc := range []struct {
		name       string
		word       uint64
		words      []uint64
		args, file string
		bad        bool
	}{
		{"64 bits", 8, []uint64{2, texts, texts + 4, 0, env, env + 4, 0, 33, 1, 25, 77, 31, file, 0, 0}, "cat\x00-n\x00", "/bin/cat", false},
		{"no environment", 8, []uint64{1, texts, 0, 0, 25, 77, 31, texts + 4, 0, 0}, "cat\x00", "-n", false},
		{"no arguments", 8, []uint64{0, 0, 0, 25, 77, 31, file, 0, 0}, "", "/bin/cat", false},
		{"too few arguments", 8, []uint64{3, texts, 0, 0, 31, file, 0, 0}, "", "", true},
		{"backwards", 8, []uint64{1, env, 0, texts, 0, 25, 77, 31, file, 0, 0}, "", "", true},
		{"bad pointer", 8, []uint64{1, 16, 0, 20, 0, 25, 77, 31, file, 0, 0}, "", "", true},
		{"bad path", 8, []uint64{0, 0, 0, 25, 77, 31, 16, 0, 0}, "", "", true},
		{"endless", 8, slices.Repeat([]uint64{1}, 1500), "", "", true},
	} {
		var m reflect.Fake
		layout(&m, sp, tc.word, tc.words, map[uint64]string{texts: "cat\x00-n\x00\x00", env: "A=b\x00C=d\x00", file: "/bin/cat\x00"})
		s, err := readStack(&m, sp, tc.word)
		var path, args []byte
		if err == nil {
			path, args, err = s.command(&m)
		}
		if tc.name == "64 bits" { // the arguments end where the environment begins
			args = []byte(strings.TrimRight(string(args), "\x00") + "\x00")
		}
		if tc.bad {
			if err == nil {
				t.Errorf("%s: no error", tc.name)
			}
			continue
		}
		if err != nil || string(path) != tc.file || string(args) != tc.args || s.random != 77 || s.null != sp+uint64(len(tc.words)-1)*tc.word {
			t.Errorf("%s: %+v, %q, %q, %v", tc.name, s, path, args, err)
		}
	}
	// 32 bits
	const low = 0xfff0_0f00
	var m reflect.Fake
	layout(&m, low, 4, []uint64{1, low + 0x100, 0, 0, 25, 77, 31, low + 0x104, 0, 0}, map[uint64]string{low + 0x100: "cat\x00/bin/cat\x00"})
	s, err := readStack(&m, low, 4)
	if err != nil || s.random != 77 || s.args != low+0x100 || s.argsEnd != low+0x104 {
		t.Errorf("32 bits: %+v, %v", s, err)
	}
}

func TestReadOwnStack(t *testing.T) {
	st, err := readStat(os.Getpid())
	if err != nil || st.parent != os.Getppid() {
		t.Fatalf("%+v, %v", st, err)
	}
	mem := reflect.ProcessMemory(os.Getpid())
	s, err := readStack(mem, st.stack, 8)
	if err != nil {
		t.Fatal(err)
	}
	file, args, err := s.command(mem)
	if want := strings.Join(os.Args, "\x00") + "\x00"; err != nil || string(args) != want || file == nil {
		t.Errorf("%q, %q, %v; want %q", file, args, err, want)
	}
	if label := readLabel(os.Getpid(), st.stack); label != 0 {
		t.Errorf("the label of a program that is not reflected is %#x", label)
	}
}

// asProgram makes this process look like one of a program's.
func asProgram(t *testing.T, label uint64) procStat {
	t.Helper()
	st, err := readStat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	mem := reflect.ProcessMemory(os.Getpid())
	s, err := readStack(mem, st.stack, 8)
	if err != nil {
		t.Fatal(err)
	}
	set := func(v uint64) {
		if _, err := mem.Write(s.null, binary.LittleEndian.AppendUint64(nil, v)); err != nil {
			t.Fatal(err)
		}
	}
	set(label)
	t.Cleanup(func() { set(0) })
	return st
}

// TestDraw draws for this process as the first process of a program, as one that
// was forked in it, and as one that nothing is known of.
func TestDraw(t *testing.T) {
	pid := os.Getpid()
	root := reflect.RootKey("1")
	first := func(k reflect.StreamKey) (b [8]byte) {
		s := k.Stream()
		s.Fill(b[:], 0)
		return b
	}
	s := newStreams("1")
	key := s.arrive(pid, s.depart(pid, true), []byte("/bin/a"), []byte("a\x00"))
	if key != root {
		t.Error("the first program has not the seed's key")
	}
	stream, pos, ok := s.draw(pid, 8, always)
	if got := bytesOf(t, stream, pos, ok); got != first(root) {
		t.Errorf("the first process draws %x, want %x", got, first(root))
	}
	// Another thread goes on in the same stream.
	done := make(chan uint64)
	go func() {
		runtime.LockOSThread()
		_, pos, _ := s.draw(unix.Gettid(), 8, always)
		done <- pos
	}()
	if pos := <-done; pos != 8 {
		t.Errorf("a thread draws at %d", pos)
	}
	if _, _, ok := s.draw(pid, 8, func() bool { return false }); ok {
		t.Error("a caller that is gone draws")
	}
	// What it executes depends on what that is, and on how often.
	k1 := s.arrive(pid, s.depart(pid, false), []byte("/bin/b"), []byte("b\x00"))
	if k1 != root.Exec([]byte("/bin/b"), []byte("b\x00"), 0) {
		t.Error("an executed program has another key")
	}
	// As if the process had been forked: it is known by its label.
	st := asProgram(t, root.Label())
	delete(s.processes, pid)
	stream, pos, ok = s.draw(pid, 8, always)
	if got := bytesOf(t, stream, pos, ok); got != first(root.Fork(0)) {
		t.Errorf("a forked process draws %x", got)
	}
	if k := s.arrive(pid, s.depart(pid, false), []byte("/bin/b"), []byte("b\x00")); k != root.Exec([]byte("/bin/b"), []byte("b\x00"), 1) {
		t.Error("the second time it has the key of the first, or another")
	}
	// Another process with the id: the one that is known began at another time.
	s.processes[pid].Start = st.start + 1
	stream, pos, ok = s.draw(pid, 8, always)
	if got := bytesOf(t, stream, pos, ok); got != first(root.Fork(1)) {
		t.Errorf("a process with another's id draws %x", got)
	}
	// Nothing is known of it, nor of its parents.
	asProgram(t, 12345)
	delete(s.processes, pid)
	stream, pos, ok = s.draw(pid, 8, always)
	if got := bytesOf(t, stream, pos, ok); got != first(s.strays.Key.Fork(0)) {
		t.Errorf("a stray draws %x", got)
	}
	// Its parent is known.
	parent, err := readStat(st.parent)
	if err != nil {
		t.Fatal(err)
	}
	s.processes[st.parent] = &processStream{Start: parent.start, Label: root.Label(), program: s.programs[root.Label()]}
	delete(s.processes, pid)
	stream, pos, ok = s.draw(pid, 8, always)
	if got := bytesOf(t, stream, pos, ok); got != first(root.Fork(2)) {
		t.Errorf("a child of a known process draws %x", got)
	}
	if _, _, ok := s.draw(1<<22+1, 8, always); ok {
		t.Error("a process that is not there draws")
	}
}

func TestStreamsAreHandedOver(t *testing.T) {
	pid := os.Getpid()
	s := newStreams("1")
	key := s.arrive(pid, s.depart(pid, true), nil, nil)
	s.draw(pid, 100, always)
	s.arrive(1<<22+1, departure{start: 5, program: s.programs[key.Label()]}, []byte("/bin/b"), nil)
	b, err := s.save()
	if err != nil {
		t.Fatal(err)
	}
	r := newStreams("1")
	if err := r.restore(b); err != nil {
		t.Fatal(err)
	}
	stream, pos, ok := r.draw(pid, 8, always)
	want := key.Stream()
	if !ok || pos != 100 || *stream != want {
		t.Errorf("it goes on at %d, %v", pos, ok)
	}
	if k := r.arrive(pid, r.depart(pid, false), []byte("/bin/b"), nil); k != key.Exec([]byte("/bin/b"), nil, 1) {
		t.Error("what was executed before is forgotten")
	}
	if r.restore([]byte("{")) == nil {
		t.Error("no error for half a state")
	}
}

// TestSweep: what has ended is forgotten, what lives is not, whether it was looked
// at or is only known by its label.
func TestSweep(t *testing.T) {
	pid := os.Getpid()
	s := newStreams("1")
	root := s.arrive(pid, s.depart(pid, true), nil, nil)
	from := s.programs[root.Label()]
	for i := range 500 {
		s.arrive(1<<22+1+i, departure{start: uint64(i), program: from}, []byte("/bin/true"), nil)
	}
	s.arrive(1<<23, departure{program: from}, []byte("/bin/forks"), nil)
	sweep := func(programs, processes int) {
		t.Helper()
		s.mu.Lock()
		s.sweeping, s.round = true, s.round+1
		s.mu.Unlock()
		s.sweep()
		if len(s.programs) != programs || len(s.processes) != processes || s.sweeping || s.limit < minSweep {
			t.Errorf("%d programs and %d processes, want %d and %d; limit %d", len(s.programs), len(s.processes), programs, processes, s.limit)
		}
	}
	sweep(502, 1)
	sweep(1, 1)
	if s.programs[root.Label()] == nil {
		t.Error("the program of a process that lives was forgotten")
	}
	// A process that was never looked at keeps its program.
	labelled := s.arrive(1<<23, departure{program: from}, []byte("/bin/forks"), nil)
	asProgram(t, labelled.Label())
	delete(s.processes, pid)
	sweep(2, 0)
	sweep(1, 0)
	sweep(1, 0)
	if s.programs[labelled.Label()] == nil {
		t.Error("the program of a forked process was forgotten")
	}
}

// TestNothingIsKept runs more programs than may be remembered.
func TestNothingIsKept(t *testing.T) {
	plan, err := policy.Load("random")
	if err == nil {
		plan, err = plan.WithSeed(1)
	}
	if err != nil {
		t.Fatal(err)
	}
	script := "i=0; while [ $i -lt 3000 ]; do /bin/true; i=$((i+1)); done"
	if testing.Short() {
		script = "i=0; while [ $i -lt 1500 ]; do /bin/true; i=$((i+1)); done"
	}
	c := Command(plan, "sh", "-c", script)
	var warned []string
	c.Warn = func(m string) { warned = append(warned, m) }
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	s := c.run.streams
	s.mu.Lock()
	defer s.mu.Unlock()
	// While a sweep runs and until the next one finds it idle, a program stays.
	if n := len(s.programs) + len(s.processes); n > 2*minSweep || s.round == 0 {
		t.Errorf("%d programs and %d processes are remembered after %d sweeps", len(s.programs), len(s.processes), s.round)
	}
	if len(warned) > 0 {
		t.Errorf("warnings: %q", warned)
	}
}

func TestBlockFunctions(t *testing.T) {
	if f, err := blockFunction(policy.BlockAuto); err != nil || f != vdsoshim.Best() {
		t.Errorf("auto: %v, %v", f, err)
	}
	for i, b := range []policy.Block{policy.BlockAVX512, policy.BlockAVX2, policy.BlockScalar} {
		f, err := blockFunction(b)
		if want := vdsoshim.Blocks()[i]; f != want || (err == nil) != (want.Usable() == nil) || err != nil && !errors.Is(err, ErrUnsupported) {
			t.Errorf("%v: %v, %v", b, f, err)
		}
	}
	if _, err := blockFunction(99); !errors.Is(err, ErrUnsupported) {
		t.Errorf("an unknown function: %v", err)
	}
}
