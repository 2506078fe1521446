package vdsoshim

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// entries are all entries of block functions that this machine can run. AVX2's
// two differ in what they save, so both can run where AVX-512 is.
func entries(t testing.TB) map[string]uint64 {
	t.Helper()
	out := map[string]uint64{"scalar": ChachaScalarOff}
	if AVX2.Usable() == nil {
		out["avx2"] = ChachaAvx2Off
	}
	if probed().zmm() {
		out["avx2_zmm"] = ChachaAvx2ZmmOff
	}
	if AVX512.Usable() == nil {
		out["avx512"] = ChachaAvx512Off
	}
	return out
}

// TestUsable holds the probe against the kernel's, so that functions can't go
// untested unnoticed.
func TestUsable(t *testing.T) {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Fatal(err)
	}
	_, flags, _ := strings.Cut(string(text), "\nflags")
	flags, _, _ = strings.Cut(flags, "\n")
	has := func(names ...string) bool {
		for _, name := range names {
			if !slices.Contains(strings.Fields(flags), name) {
				return false
			}
		}
		return true
	}
	for b, want := range map[Block]bool{Scalar: true, AVX2: has("avx2"), AVX512: has("avx512f", "avx512vl")} {
		if err := b.Usable(); (err == nil) != want {
			t.Errorf("%v: %v, /proc/cpuinfo says %t", b, err, want)
		}
	}
}

func TestProbe(t *testing.T) {
	all := processor{avx: true, xcr0: 0xe7, ebx7: ebxAVX2 | ebxAVX512F | ebxAVX512VL}
	with := func(change func(*processor)) processor { p := all; change(&p); return p }
	for _, tt := range []struct {
		name         string
		p            processor
		best         Block
		avx2, avx512 string // parts of the errors, "" if usable
		off          uint32 // of AVX2
	}{
		{"everything", all, AVX512, "", "", ChachaAvx2ZmmOff},
		{"masks not enabled", with(func(p *processor) { p.xcr0 = 0xc7 }), AVX2, "", "XCR0 is 0xc7, needs 0xe6", ChachaAvx2Off},
		{"zmm16 not enabled", with(func(p *processor) { p.xcr0 = 0x67 }), AVX2, "", "XCR0 is 0x67", ChachaAvx2Off},
		{"no AVX-512 registers", with(func(p *processor) { p.xcr0 = 7 }), AVX2, "", "XCR0 is 0x7", ChachaAvx2Off},
		{"no VL", with(func(p *processor) { p.ebx7 &^= ebxAVX512VL }), AVX2, "", "no AVX-512 F and VL", ChachaAvx2ZmmOff},
		{"AVX2 only", with(func(p *processor) { p.ebx7, p.xcr0 = ebxAVX2, 7 }), AVX2, "", "no AVX-512", ChachaAvx2Off},
		{"no upper halves", with(func(p *processor) { p.xcr0 = 3 }), Scalar, "XCR0 is 0x3, needs 0x6", "XCR0", ChachaAvx2Off},
		{"no xgetbv", with(func(p *processor) { p.avx, p.xcr0 = false, 0 }), Scalar, "no AVX2", "no AVX-512", ChachaAvx2Off},
		{"nothing", processor{}, Scalar, "no AVX2", "no AVX-512", ChachaAvx2Off},
		{"Ice Lake", with(func(p *processor) { p.intel, p.family, p.model = true, 6, 0x6a }), AVX2, "", "", ChachaAvx2ZmmOff},
		{"Sapphire Rapids", with(func(p *processor) { p.intel, p.family, p.model = true, 6, 0x8f }), AVX512, "", "", ChachaAvx2ZmmOff},
		{"not Intel's", with(func(p *processor) { p.family, p.model = 6, 0x6a }), AVX512, "", "", ChachaAvx2ZmmOff},
	} {
		if got := best(tt.p); got != tt.best {
			t.Errorf("%s: %v, not %v", tt.name, got, tt.best)
		}
		for b, want := range map[Block]string{AVX2: tt.avx2, AVX512: tt.avx512, Scalar: ""} {
			err := b.usable(tt.p)
			if want == "" && err != nil || want != "" && (err == nil || !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s: %v: %v, not %q", tt.name, b, err, want)
			}
		}
		if got := AVX2.off(tt.p); got != tt.off {
			t.Errorf("%s: AVX2 at %#x, not %#x", tt.name, got, tt.off)
		}
	}
	for _, b := range Blocks() {
		if got, err := ParseBlock(b.String()); got != b || err != nil {
			t.Errorf("%v: %v, %v", b, got, err)
		}
	}
	if _, err := ParseBlock("mmx"); err == nil {
		t.Error("mmx is a block function")
	}
}

func newRunner(t testing.TB) *Runner {
	t.Helper()
	r, err := NewRunner()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// TestBlocks: every entry's key stream is the model's, at any alignment, with
// the key beside the destination and in it, and writes nothing else.
func TestBlocks(t *testing.T) {
	r := newRunner(t)
	random := rand.New(rand.NewPCG(3, 4))
	const guard = 128
	buf, want := make([]byte, 40*BlockUnit), make([]byte, 40*BlockUnit)
	for name, off := range entries(t) {
		for i := range 40 * len(testCounters) {
			counter := testCounters[i%len(testCounters)]
			units := []int{1, 2, 3, 4, 5, 2, 33}[i%7]
			start := guard + random.IntN(64)
			if i%3 == 0 {
				start = guard
			}
			for j := range buf {
				buf[j] = 0xa5
			}
			dst := buf[start : start+units*BlockUnit]
			key := testKey(random)
			at := &key
			if i%2 == 0 {
				at = (*[32]byte)(dst[len(dst)-32:])
				*at = key
			}
			Keystream(want[:len(dst)], &key, counter)
			r.call(off, dst, at, counter)
			if !bytes.Equal(dst, want[:len(dst)]) {
				t.Fatalf("%s: %d units from counter %#x at +%d differ", name, units, counter, start)
			}
			rest := slices.Concat(buf[:start], buf[start+len(dst):])
			if bytes.Count(rest, []byte{0xa5}) != len(rest) {
				t.Fatalf("%s: %d units at +%d: written outside", name, units, start)
			}
			if page := r.mem[ImageSize:]; bytes.Count(page, []byte{0}) != len(page) {
				t.Fatalf("%s: %d units: something is left in scratch or save area", name, units)
			}
		}
	}
}

// TestBlocksIndependent: the same against golang.org/x/crypto.
func TestBlocksIndependent(t *testing.T) {
	r := newRunner(t)
	random := rand.New(rand.NewPCG(5, 6))
	got, want := make([]byte, 3*BlockUnit), make([]byte, 3*BlockUnit)
	for name, off := range entries(t) {
		for range 20 {
			for _, counter := range testCounters {
				key := testKey(random)
				independent(t, want, &key, counter)
				r.call(off, got, &key, counter)
				if !bytes.Equal(got, want) {
					t.Fatalf("%s: counter %#x differs", name, counter)
				}
			}
		}
	}
}

// TestRunner runs block functions in goroutines that are preempted, profiled and
// have growing stacks, beside the garbage collector.
func TestRunner(t *testing.T) {
	r := newRunner(t)
	if err := r.Keystream(Scalar, make([]byte, 100), new([32]byte), 0); err == nil {
		t.Error("a length of 100 is accepted")
	}
	if err := r.Keystream(blocksEnd, make([]byte, BlockUnit), new([32]byte), 0); !errors.Is(err, ErrUnusable) {
		t.Errorf("no function: %v", err)
	}
	if err := pprof.StartCPUProfile(io.Discard); err == nil {
		defer pprof.StopCPUProfile()
	}
	// More signals than the profiler and the scheduler send.
	interval := unix.Itimerval{Interval: unix.Timeval{Usec: 200}, Value: unix.Timeval{Usec: 200}}
	if _, err := unix.Setitimer(unix.ITIMER_REAL, interval); err != nil {
		t.Fatal(err)
	}
	defer unix.Setitimer(unix.ITIMER_REAL, unix.Itimerval{})
	want := make([]byte, 64*BlockUnit)
	Keystream(want, new([32]byte), 0)
	var all sync.WaitGroup
	for _, b := range Blocks() {
		if b.Usable() != nil {
			continue
		}
		for range 4 {
			all.Go(func() {
				var deep func(n int)
				deep = func(n int) {
					var local [1024]byte
					dst := make([]byte, len(want))
					if err := r.Keystream(b, dst, new([32]byte), 0); err != nil || !bytes.Equal(dst, want) {
						t.Errorf("%v: differs, %v", b, err)
					}
					if local[n]++; n > 0 {
						deep(n - 1)
					}
				}
				deep(100)
			})
		}
	}
	all.Wait()
	r.Close()
	if err := r.Keystream(Scalar, make([]byte, BlockUnit), new([32]byte), 0); err == nil {
		t.Error("it runs unmapped")
	}
}

// BenchmarkBlocks is a refill's worth: two units, registers saved and restored.
func BenchmarkBlocks(b *testing.B) {
	r := newRunner(b)
	dst, key := make([]byte, 2*BlockUnit), new([32]byte)
	for name, off := range entries(b) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(dst)))
			for b.Loop() {
				r.call(off, dst, key, 0)
			}
		})
	}
}

// TestCheck: what `reflect rng test` relies on finds nothing in the functions as
// they are, and any one wrong byte of the constants that they use.
func TestCheck(t *testing.T) {
	r := newRunner(t)
	for _, b := range Blocks() {
		if b.Usable() != nil {
			if n, err := r.Check(b, 1); n != 0 || !errors.Is(err, ErrUnusable) {
				t.Errorf("%v: %d, %v", b, n, err)
			}
			continue
		}
		if n, err := r.Check(b, 20); n != len(KnownAnswers())+100 || err != nil {
			t.Errorf("%v: %d compared, %v", b, n, err)
		}
		timing, err := r.Measure([]Block{b}, 2*BlockUnit, 3)
		if err != nil || timing[0].Min <= 0 || timing[0].Median < timing[0].Min {
			t.Errorf("%v: %v, %v", b, timing, err)
		}
	}
	if _, err := r.Measure([]Block{blocksEnd}, 2*BlockUnit, 1); !errors.Is(err, ErrUnusable) {
		t.Errorf("no function: %v", err)
	}
	// "expand 32-byte k" stands in the image once for each function: the scalar
	// one has it in its instructions, twice.
	if err := unix.Mprotect(r.mem[:ImageSize], unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC); err != nil {
		t.Fatal(err)
	}
	found := 0
	for at := 0; ; at++ {
		i := bytes.Index(r.mem[at:ImageSize], []byte("2-by"))
		if i < 0 {
			break
		}
		at += i
		found++
		r.mem[at]++
		differ := 0
		for _, b := range Blocks() {
			if _, err := r.Check(b, 1); err != nil && !errors.Is(err, ErrUnusable) {
				differ++
			}
		}
		if r.mem[at]--; differ != 1 {
			t.Errorf("with a wrong constant at %#x %d functions differ, not 1", at, differ)
		}
	}
	if found != 4 {
		t.Errorf("the constant stands at %d places", found)
	}
}
