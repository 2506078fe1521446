package reflect

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/chacha20"
	"golang.org/x/sys/unix"
)

// The first bytes of some streams. They must never change: a seed that shows a
// failure is written down.
var knownStreams = []struct {
	name string
	key  func() StreamKey
	want string // of the stream
	rand string // AT_RANDOM
}{
	{"42", func() StreamKey { return RootKey("42") }, "cd0d43f57ca14b8db0c0ad0da4b7c0ad291f463056fc3b26", "6dd812cb6cf6c48a27646275e0c01af7"},
	{"text", func() StreamKey { return RootKey("of the week") }, "a42a8f50b0a38f8446037b0d988d4aedade3bcb568a7fccd", "b13c8bb21a5b94b4c51c3e008750003b"},
	{"exec", func() StreamKey {
		k := RootKey("42")
		return k.Exec([]byte("/bin/mktemp"), []byte("mktemp\x00-u\x00"), 1)
	}, "2c4cc7f8d84eb68f24cdf83d235cf36f61e6db8b1434e12e", "90d22e1b9d19420bf5675ab62fa2a92a"},
	{"fork", func() StreamKey {
		k := RootKey("42")
		return k.Fork(0)
	}, "772581b879853920ba24ac0ebb60968bf59b3db30eeff070", "4b9b6d5ad2bfd43233b5415d95af98f5"},
}

func TestKnownStreams(t *testing.T) {
	for _, tc := range knownStreams {
		k := tc.key()
		s := k.Stream()
		b := make([]byte, 24)
		s.Fill(b, 0)
		if got := hex.EncodeToString(b); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
		r := k.AtRandom()
		if got := hex.EncodeToString(r[:]); got != tc.rand {
			t.Errorf("%s: AT_RANDOM is %s, want %s", tc.name, got, tc.rand)
		}
	}
}

// TestDocumentedDerivation runs the program of docs/randomness.md, which a reader
// would reproduce the bytes with.
func TestDocumentedDerivation(t *testing.T) {
	python, err := exec.LookPath("/usr/bin/python3")
	if err != nil {
		t.Fatal("python3 is missing (on Debian: apt-get install python3)")
	}
	page, err := os.ReadFile("../docs/randomness.md")
	if err != nil {
		t.Fatal(err)
	}
	_, program, ok := strings.Cut(string(page), "```python\n")
	program, _, closed := strings.Cut(program, "```\n")
	if !ok || !closed {
		t.Fatal("docs/randomness.md has no program")
	}
	out, err := exec.Command(python, "-c", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	root := RootKey("42")
	child := root.Exec([]byte("/usr/bin/mktemp"), []byte("mktemp\x00-u\x00"), 0)
	rand := root.AtRandom()
	want := ""
	for _, k := range []StreamKey{root, child} {
		b := make([]byte, 100)
		s := k.Stream()
		s.Fill(b, 0)
		want += hex.EncodeToString(b) + "\n"
	}
	want += hex.EncodeToString(rand[:]) + "\n"
	if string(out) != want {
		t.Errorf("the documented program prints\n%swant\n%s", out, want)
	}
}

// Each derivation gives another key, and each input counts.
func TestKeysDiffer(t *testing.T) {
	seen := map[StreamKey]string{}
	add := func(name string, k StreamKey) {
		if other, ok := seen[k]; ok {
			t.Errorf("%s has the key of %s", name, other)
		}
		seen[k] = name
	}
	for _, seed := range []string{"0", "1", "42", "a"} {
		k := RootKey(seed)
		add("root "+seed, k)
		add("stream "+seed, StreamKey(k.Stream()))
		for _, n := range []uint64{0, 1, 256, 1 << 63} {
			add("fork", k.Fork(n))
			add("exec", k.Exec([]byte("a"), []byte("b\x00"), n))
		}
		add("another file", k.Exec([]byte("ab"), []byte("b\x00"), 0))
		add("another argument", k.Exec([]byte("a"), []byte("c\x00"), 0))
		add("two arguments", k.Exec([]byte("a"), []byte("b\x00\x00"), 0))
		add("no argument", k.Exec([]byte("a"), nil, 0))
	}
}

// Fill gives the same bytes in whatever pieces they are asked for, beyond 32 bits
// of block number too.
func TestStreamPieces(t *testing.T) {
	s := Stream{1, 2, 3}
	for _, from := range []uint64{0, 1 << 20, 1<<38 - 300, 5<<38 - 64, 1<<64 - 5000} {
		whole := make([]byte, 4500)
		s.Fill(whole, from)
		for _, size := range []int{1, 7, 63, 64, 65, 1000, 4096} {
			got := make([]byte, len(whole))
			for i := 0; i < len(got); i += size {
				s.Fill(got[i:min(i+size, len(got))], from+uint64(i))
			}
			if !bytes.Equal(got, whole) {
				t.Errorf("from %d in pieces of %d: other bytes", from, size)
			}
		}
	}
	// Against the package itself, where that can count so far.
	want := make([]byte, 640)
	c, err := chacha20.NewUnauthenticatedCipher(s[:], make([]byte, 12))
	if err != nil {
		t.Fatal(err)
	}
	c.SetCounter(1<<32 - 10)
	c.XORKeyStream(want, want)
	got := make([]byte, 640+64)
	s.Fill(got, (1<<32-10)*64)
	if !bytes.Equal(got[:640], want) {
		t.Error("the last blocks of 32 bits are others")
	}
	c, err = chacha20.NewUnauthenticatedCipher(s[:], []byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	if err != nil {
		t.Fatal(err)
	}
	c.XORKeyStream(want[:64], make([]byte, 64))
	if !bytes.Equal(got[640:], want[:64]) {
		t.Error("the counter does not go on at 33 bits")
	}
}

// seededFrom is a handler with one stream for all, and its position.
func seededFrom(s *Stream, pos *uint64) Handler {
	return Seeded(func(_ *Call, n uint64) (*Stream, uint64, bool) {
		at := *pos
		*pos += n
		return s, at, true
	})
}

// TestSeededLikeKernel compares everything but the bytes with the kernel: results,
// errors, and what was written.
func TestSeededLikeKernel(t *testing.T) {
	a := newArena(t)
	s := Stream{9}
	for _, p := range a.places() {
		for _, n := range []uint64{0, 1, 16, 33, 100, 4096, 5000, 20000, 200 << 10} {
			var pos uint64
			h := seededFrom(&s, &pos)
			for _, flags := range []uint64{0, unix.GRND_NONBLOCK, 6, 8} {
				_, ours := a.compareWith(t, h, "getrandom", [6]uint64{p, n, flags}, false)
				if inArena := p-a.base < arenaSize; ours.left && (judges() || !inArena) {
					t.Errorf("getrandom(%#x, %d) was left to the kernel", p, n)
				}
			}
		}
	}
	for _, n := range []uint64{1<<31 - 1, 1 << 31, 1 << 46, 1 << 62, 1 << 63, 1<<64 - 1} {
		for _, p := range []uint64{0, a.base + writable2 - 100, a.base + readOnly, 1 << 63, 1<<64 - PageSize} {
			var pos uint64
			a.compareWith(t, seededFrom(&s, &pos), "getrandom", [6]uint64{p, n, 0}, false)
		}
	}
}

// TestSeededBytes: the bytes are the stream's, and a call takes what it asks for
// and no more, a refused one nothing.
func TestSeededBytes(t *testing.T) {
	a := newArena(t)
	k := RootKey("7")
	s := k.Stream()
	want := make([]byte, 1<<20)
	s.Fill(want, 0)
	var pos uint64
	h := seededFrom(&s, &pos)
	at := uint64(0)
	for _, tc := range []struct {
		addr, n, flags uint64
		value          int64
		errno          unix.Errno
		takes          uint64
	}{
		{a.base, 16, 0, 16, 0, 16},
		{a.base + 3, 1, unix.GRND_NONBLOCK, 1, 0, 1},
		{a.base, 5000, unix.GRND_RANDOM, 5000, 0, 5000},
		{a.base, 16, 8, 0, unix.EINVAL, 0},
		{a.base, 16, 6, 0, unix.EINVAL, 0},
		{1 << 63, 16, 0, 0, unix.EFAULT, 0},
		{a.base, 0, 0, 0, 0, 0},
		{a.base + readOnly - 10, 100, 0, 10, 0, 100},
		{a.base + writable1, 2 * PageSize, 0, 2 * PageSize, 0, 2 * PageSize},
	} {
		v, errno, left := servedCall(h, unix.SYS_GETRANDOM, [6]uint64{tc.addr, tc.n, tc.flags})
		if v != tc.value || errno != tc.errno || left {
			t.Errorf("getrandom(%#x, %d, %d) = %d, %v, left %v", tc.addr, tc.n, tc.flags, v, errno, left)
		}
		if off := tc.addr - a.base; v > 0 && !bytes.Equal(a.alias[off:off+uint64(v)], want[at:at+uint64(v)]) {
			t.Errorf("getrandom(%#x, %d, %d) gave other bytes than the stream's at %d", tc.addr, tc.n, tc.flags, at)
		}
		if at += tc.takes; pos != at {
			t.Fatalf("after getrandom(%#x, %d, %d) the position is %d, want %d", tc.addr, tc.n, tc.flags, pos, at)
		}
	}
}

// A stack that has not grown yet grows for the kernel, so it must for us: there is
// nobody else to ask for these bytes.
func TestSeededGrowsStacks(t *testing.T) {
	const room = 64 * PageSize
	// The kernel keeps stack_guard_gap (1 MiB) free below.
	top := uint64(lonely())
	p, _, errno := unix.Syscall6(unix.SYS_MMAP, uintptr(top), PageSize, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_GROWSDOWN|unix.MAP_FIXED_NOREPLACE, ^uintptr(0), 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer unix.Syscall(unix.SYS_MUNMAP, p-room, room+PageSize, 0)
	s := Stream{5}
	want := make([]byte, 3*PageSize)
	s.Fill(want, 0)
	var pos uint64
	at := top - 2*PageSize - 5
	v, e, left := servedCall(seededFrom(&s, &pos), unix.SYS_GETRANDOM, [6]uint64{at, 2*PageSize + 105, 0})
	if v != 2*PageSize+105 || e != 0 || left {
		t.Fatalf("%d, %v, left %v", v, e, left)
	}
	var got []byte
	for a := at &^ (PageSize - 1); a <= top; a += PageSize {
		got = append(got, pageBytes(a)[:]...)
	}
	if got = got[at%PageSize:]; !bytes.Equal(got[:v], want[:v]) {
		t.Error("other bytes than the stream's")
	}
	// Nothing grows here.
	h := seededFrom(&s, &pos)
	if v, e, left := servedCall(h, unix.SYS_GETRANDOM, [6]uint64{top + PageSize, 16, 0}); e != unix.EFAULT || left {
		t.Errorf("above a stack: %d, %v, left %v", v, e, left)
	}
	q, _, errno := unix.Syscall6(unix.SYS_MMAP, uintptr(lonely()), PageSize, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE, ^uintptr(0), 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer unix.Syscall(unix.SYS_MUNMAP, q, PageSize, 0)
	if v, e, left := servedCall(h, unix.SYS_GETRANDOM, [6]uint64{uint64(q) - 100, 16, 0}); e != unix.EFAULT || left && judges() {
		t.Errorf("below memory that does not grow: %d, %v, left %v", v, e, left)
	}
}

func TestSeededLeaves(t *testing.T) {
	refuses := Seeded(func(*Call, uint64) (*Stream, uint64, bool) { return nil, 0, false })
	var m Fake
	m.Map(0x10000, PageSize, true)
	c := Call{Nr: unix.SYS_GETRANDOM, Arch: unix.AUDIT_ARCH_X86_64, Args: [6]uint64{0x10000, 8}, Mem: &m}
	if r := refuses.Serve(&c); !r.Continue {
		t.Errorf("no stream: %+v", r)
	}
	var pos uint64
	h := seededFrom(&Stream{}, &pos)
	for _, c := range []Call{
		{Nr: unix.SYS_GETRANDOM, Arch: unix.AUDIT_ARCH_I386, Args: c.Args, Mem: &m},
		{Nr: unix.SYS_GETRANDOM | x32Bit, Arch: unix.AUDIT_ARCH_X86_64, Args: c.Args, Mem: &m},
	} {
		if r := h.Serve(&c); !r.Continue || pos != 0 {
			t.Errorf("another ABI: %+v, position %d", r, pos)
		}
	}
	m.Err = errors.New("gone")
	if r := h.Serve(&c); !r.Continue {
		t.Errorf("no memory: %+v", r)
	}
}

func TestSeededDoesNotAllocate(t *testing.T) {
	var pos uint64
	h := seededFrom(&Stream{}, &pos)
	c := &Call{Arch: unix.AUDIT_ARCH_X86_64, Args: [6]uint64{targetAt(0), 256}, TID: os.Getpid(), Mem: ProcessMemory(os.Getpid())}
	if n := testing.AllocsPerRun(200, func() { h.Serve(c) }); n != 0 {
		t.Errorf("%v allocations a call", n)
	}
}

func BenchmarkSeeded(b *testing.B) {
	for _, n := range []uint64{16, 256, 4096, 65536} {
		b.Run(strconv.FormatUint(n, 10), func(b *testing.B) {
			var pos uint64
			h := seededFrom(&Stream{}, &pos)
			c := &Call{Arch: unix.AUDIT_ARCH_X86_64, Args: [6]uint64{targetAt(0), n}, TID: os.Getpid(), Mem: ProcessMemory(os.Getpid())}
			b.SetBytes(int64(n))
			for b.Loop() {
				h.Serve(c)
			}
		})
	}
}
