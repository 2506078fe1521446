package reflect

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"
)

// places are pointers at and around every border that an arena has.
func (a *arena) places() []uint64 {
	ps := []uint64{
		0, 1, 8, 0xff0, PageSize - 1, PageSize, 0xffff, 1 << 32,
		1<<47 - 2*PageSize, 1<<47 - PageSize - 8, 1<<47 - PageSize, 1<<47 - 1, 1 << 47, 1<<47 + 16, 1<<56 - PageSize, 1 << 56, 1<<62 + 8,
		1<<63 - 1, 1 << 63, 0xffff800000000000, 0xffffffffff600000, 1<<64 - PageSize, 1<<64 - 16, 1<<64 - 8, 1<<64 - 1,
	}
	if testing.Short() { // under emulation
		for at := uint64(0); at <= arenaSize; at += PageSize {
			ps = append(ps, a.base+at-9, a.base+at-3, a.base+at)
		}
		return ps
	}
	for at := uint64(0); at <= arenaSize; at += PageSize {
		for _, d := range []int64{-64, -33, -17, -16, -15, -12, -9, -8, -7, -5, -4, -3, -1, 0, 1, 4, 8, 100} {
			ps = append(ps, a.base+at+uint64(d))
		}
	}
	return ps
}

func TestGetrandomLikeKernel(t *testing.T) {
	a := newArena(t)
	lengths := []uint64{0, 1, 15, 16, 31, 32, 33, 63, 64, 65, 100, 128, 4095, 4096, 4097, 8192, 12288, 20000, 64 << 10}
	if testing.Short() {
		lengths = []uint64{0, 1, 16, 33, 100, 5000}
	}
	for _, p := range a.places() {
		for _, n := range lengths {
			_, ours := a.compare(t, "getrandom", [6]uint64{p, n, 0}, false)
			if inArena := p-a.base < arenaSize; inArena && ours.left && judges() {
				t.Errorf("getrandom(%#x, %d) was left to the kernel", p, n)
			}
		}
	}
	for _, n := range []uint64{1<<31 - 1, 1 << 31, 1<<31 - PageSize, 1<<32 + 7, 1 << 46, 1 << 47, 1 << 62, 1 << 63, 1<<64 - 1} {
		for _, p := range []uint64{0, a.base, a.base + writable2 - 100, a.base + readOnly, 1 << 63, 1<<64 - PageSize} {
			if _, ours := a.compare(t, "getrandom", [6]uint64{p, n, 0}, false); !ours.left {
				t.Errorf("getrandom(%#x, %#x) was served, too long to be", p, n)
			}
		}
	}
	flags := []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 0xffffffff, 1 << 32, 1<<32 | 1, 1<<32 | 6, 1 << 63, 1<<64 - 1}
	for _, f := range flags {
		for _, p := range []uint64{0, a.base + 8, a.base + readOnly - 3, 1 << 63} {
			for _, n := range []uint64{0, 1, 20, 1 << 40} {
				a.compare(t, "getrandom", [6]uint64{p, n, f}, false)
			}
		}
	}
	// The bytes must be random wherever they are written: 64 equal ones are not.
	_, ours := a.compare(t, "getrandom", [6]uint64{a.base + writable1, 2 * PageSize, 0}, false)
	if ours.value != 2*PageSize {
		t.Fatalf("getrandom gave %d bytes", ours.value)
	}
	for i := 0; i < 2*PageSize; i += 64 {
		if chunk := ours.bytes[i : i+64]; bytes.Count(chunk, chunk[:1]) == len(chunk) {
			t.Errorf("bytes at %#x are all %#x", i, chunk[0])
		}
	}
}

// clockIDs are all clocks, the numbers around them, CPU clocks of the caller and
// of others, clocks of descriptors, and numbers that differ only above bit 31.
var clockIDs = []uint64{
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 16, 17, 24, 100, 0x7fffffff, 0x80000000,
	0xfffffffa, 0xfffffffe, 0xfffffffb, 0xffffffff, 0xfffffff3, 1<<64 - 1, 1<<64 - 3, 1 << 32, 1<<32 | 1, 1<<63 | 4,
}

func TestClocksLikeKernel(t *testing.T) {
	a := newArena(t)
	for _, name := range []string{"clock_gettime", "clock_getres"} {
		for _, id := range clockIDs {
			for _, p := range a.places() {
				_, ours := a.compare(t, name, [6]uint64{id, p, 0}, false)
				ok, _ := served(int32(id))
				if ok && p == a.base && ours.left || !ok && !ours.left {
					t.Errorf("%s(%#x, %#x): left to the kernel: %v", name, id, p, ours.left)
				}
			}
		}
	}
}

func TestClocksTellTheTime(t *testing.T) {
	a := newArena(t)
	h, _ := Builtin("clock_gettime")
	for _, id := range []int32{0, 1, 4, 5, 6, 7, 11} {
		for range 1000 {
			var before, after unix.Timespec
			unix.ClockGettime(id, &before)
			servedCall(h, unix.SYS_CLOCK_GETTIME, [6]uint64{uint64(id), a.base})
			unix.ClockGettime(id, &after)
			got := int64(binary.NativeEndian.Uint64(a.alias))*1e9 + int64(binary.NativeEndian.Uint64(a.alias[8:]))
			if got < before.Nano() || got > after.Nano() {
				t.Fatalf("clock %d: %d is not between %d and %d", id, got, before.Nano(), after.Nano())
			}
		}
	}
	h, _ = Builtin("clock_getres")
	for _, id := range []int32{0, 1, 4, 5, 6, 7, 11} {
		var want unix.Timespec
		unix.ClockGetres(id, &want)
		servedCall(h, unix.SYS_CLOCK_GETRES, [6]uint64{uint64(id), a.base})
		if got := int64(binary.NativeEndian.Uint64(a.alias))*1e9 + int64(binary.NativeEndian.Uint64(a.alias[8:])); got != want.Nano() {
			t.Errorf("clock %d: resolution %d, kernel %d", id, got, want.Nano())
		}
	}
}

func TestGettimeofdayLikeKernel(t *testing.T) {
	a := newArena(t)
	ps := a.places()
	for _, p := range ps {
		a.compare(t, "gettimeofday", [6]uint64{p, 0, 0}, false)
		a.compare(t, "gettimeofday", [6]uint64{0, p, 0}, false)
		a.compare(t, "gettimeofday", [6]uint64{a.base + 8, p, 0}, false)
		a.compare(t, "gettimeofday", [6]uint64{p, a.base + writable1 + 3, 0}, false)
	}
	h, _ := Builtin("gettimeofday")
	for range 1000 {
		var before, after unix.Timeval
		unix.Gettimeofday(&before)
		servedCall(h, unix.SYS_GETTIMEOFDAY, [6]uint64{a.base, 0})
		unix.Gettimeofday(&after)
		got := int64(binary.NativeEndian.Uint64(a.alias))*1e6 + int64(binary.NativeEndian.Uint64(a.alias[8:]))
		if b, e := before.Nano()/1000, after.Nano()/1000; got < b || got > e {
			t.Fatalf("%d is not between %d and %d", got, b, e)
		}
	}
}

func TestTimeLikeKernel(t *testing.T) {
	a := newArena(t)
	for _, p := range a.places() {
		kernel, ours := a.compare(t, "time", [6]uint64{p, 0, 0}, true)
		if ours.value-kernel.value < 0 || ours.value-kernel.value > 1 {
			t.Errorf("time(%#x) = %d, kernel %d", p, ours.value, kernel.value)
		}
	}
}

func TestGetcpuLikeKernel(t *testing.T) {
	pinned(t)
	a := newArena(t)
	var all []uint64
	all = append(all, a.places()...)
	for _, p := range all {
		for _, args := range [][6]uint64{
			{p, 0, 0}, {0, p, 0}, {a.base + 12, p, 0}, {p, a.base + 12, 0}, {p, p, 0}, {p, p + 4, 1 << 63},
		} {
			kernel, ours := a.compare(t, "getcpu", args, false)
			if kernel.bytes != ours.bytes {
				t.Errorf("getcpu(%#x, %#x): other bytes than the kernel's", args[0], args[1])
			}
		}
	}
}

// TestTopOfUserSpace tries the calls over the last page that a program can have
// and the border above it, where the kernel refuses a range as a whole.
func TestTopOfUserSpace(t *testing.T) {
	top, ok := topPage(t)
	if !ok {
		t.Log("the top page is in use, most likely by a stack")
		return
	}
	b := pageBytes(top)
	for name, args := range map[string]func(p uint64) [6]uint64{
		"getrandom":     func(p uint64) [6]uint64 { return [6]uint64{p, 48, 0} },
		"clock_gettime": func(p uint64) [6]uint64 { return [6]uint64{0, p} },
		"clock_getres":  func(p uint64) [6]uint64 { return [6]uint64{0, p} },
		"gettimeofday":  func(p uint64) [6]uint64 { return [6]uint64{p, p} },
		"time":          func(p uint64) [6]uint64 { return [6]uint64{p} },
		"getcpu":        func(p uint64) [6]uint64 { return [6]uint64{p, p} },
	} {
		h, _ := Builtin(name)
		for d := -64; d <= 0; d++ {
			at := top + PageSize + uint64(d)
			var wrote [2][64]bool
			var errnos [2]unix.Errno
			for _, fill := range []byte{0, 0xff, 0, 0xff, 0, 0xff} {
				for i, call := range []func() (int64, unix.Errno, bool){
					func() (int64, unix.Errno, bool) {
						v, e := kernelCall(numbers[name], args(at))
						return v, e, false
					},
					func() (int64, unix.Errno, bool) { return servedCall(h, numbers[name], args(at)) },
				} {
					tail := b[PageSize-64:]
					for j := range tail {
						tail[j] = fill
					}
					_, errnos[i], _ = call()
					for j := range tail {
						wrote[i][j] = wrote[i][j] || tail[j] != fill
					}
				}
			}
			if errnos[0] != errnos[1] || wrote[0] != wrote[1] {
				t.Errorf("%s at the border %d: %v, kernel %v; wrote %v, kernel %v", name, d, errnos[1], errnos[0], wrote[1], wrote[0])
			}
		}
	}
}

// FuzzLikeKernel makes random calls both ways.
func FuzzLikeKernel(f *testing.F) {
	names := Builtins()
	f.Add(uint8(3), uint64(0), uint64(16), uint64(0), uint8(1), uint8(0))
	f.Add(uint8(1), uint64(1), uint64(writable2-3), uint64(0), uint8(0), uint8(2))
	f.Fuzz(func(t *testing.T, call uint8, x, y, z uint64, xIn, yIn uint8) {
		pinned(t)
		a := newArena(t)
		name := names[int(call)%len(names)]
		fold := func(v uint64, in uint8) uint64 {
			if in%3 == 0 && (v < PageSize || v >= 1<<47-PageSize) {
				return v
			}
			// Into the arena, lest this process loses memory that it needs.
			return a.base - 16 + v%(arenaSize+32)
		}
		a.compare(t, name, [6]uint64{fold(x, xIn), fold(y, yIn), z}, name == "time")
	})
}

// TestRandomCallsLikeKernel is the fuzz target's everyday form.
func TestRandomCallsLikeKernel(t *testing.T) {
	pinned(t)
	a := newArena(t)
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	names := Builtins()
	pointer := func() uint64 {
		switch r.IntN(8) {
		case 0:
			return 0
		case 1:
			return r.Uint64() | 1<<63
		case 2:
			return 1 << (47 + r.IntN(17))
		default:
			return a.base + uint64(r.IntN(arenaSize/PageSize+1)*PageSize+r.IntN(64)) - 32
		}
	}
	number := func() uint64 { return r.Uint64() >> r.IntN(64) }
	rounds := 3000
	if testing.Short() {
		rounds = 300
	}
	for range rounds {
		name := names[r.IntN(len(names))]
		var args [6]uint64
		switch name {
		case "getrandom":
			args = [6]uint64{pointer(), number() % (1 << r.IntN(40)), number() & 0x10f}
		case "clock_gettime", "clock_getres":
			args = [6]uint64{uint64(r.IntN(20)), pointer(), number()}
		default:
			args = [6]uint64{pointer(), pointer(), pointer()}
		}
		a.compare(t, name, args, name == "time")
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
