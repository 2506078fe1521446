package reflect

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An arena is memory of this process with every kind of page side by side. Its
// pages come from a memfd that is also mapped whole and writable, so a test can
// fill and inspect what the calls under test can't write.
type arena struct {
	base  uint64 // of the pages with their protections
	alias []byte // the same bytes
}

// The pages of an arena, and where they begin.
const (
	writable1, writable2 = 0 * PageSize, 1 * PageSize
	readOnly             = 2 * PageSize
	writable3            = 3 * PageSize
	noAccess             = 4 * PageSize
	writable4            = 5 * PageSize
	hole                 = 6 * PageSize // unmapped, the page behind it mapped
	writable5            = 7 * PageSize
	arenaSize            = 8 * PageSize // and a hole follows, then a page that can't be a stack
)

var lonelyPlaces atomic.Uint64

// lonely returns an address that the kernel does not give to anybody who does
// not ask for it: a hole made there stays one.
func lonely() uint64 { return 1<<44 + lonelyPlaces.Add(1)<<24 }

func newArena(t testing.TB) *arena {
	t.Helper()
	fd, err := unix.MemfdCreate("arena", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, arenaSize); err != nil {
		t.Fatal(err)
	}
	alias, err := unix.Mmap(fd, 0, arenaSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	mmap := func(addr uint64, n, prot, flags, fd, off int) uint64 {
		p, _, errno := unix.Syscall6(unix.SYS_MMAP, uintptr(addr), uintptr(n), uintptr(prot), uintptr(flags), uintptr(fd), uintptr(off))
		if errno != 0 {
			t.Fatal("mmap:", errno)
		}
		return uint64(p)
	}
	base := mmap(lonely(), arenaSize+2*PageSize, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE, -1, 0)
	for _, page := range []struct{ at, prot int }{
		{writable1, unix.PROT_READ | unix.PROT_WRITE}, {writable2, unix.PROT_READ | unix.PROT_WRITE},
		{readOnly, unix.PROT_READ}, {writable3, unix.PROT_READ | unix.PROT_WRITE}, {noAccess, unix.PROT_NONE},
		{writable4, unix.PROT_READ | unix.PROT_WRITE}, {writable5, unix.PROT_READ | unix.PROT_WRITE},
	} {
		mmap(base+uint64(page.at), PageSize, page.prot, unix.MAP_SHARED|unix.MAP_FIXED, fd, page.at)
	}
	mmap(base+arenaSize+PageSize, PageSize, unix.PROT_READ, unix.MAP_SHARED|unix.MAP_FIXED, fd, 0)
	for _, at := range []uint64{base + hole, base + arenaSize} {
		if _, _, errno := unix.Syscall(unix.SYS_MUNMAP, uintptr(at), PageSize, 0); errno != 0 {
			t.Fatal("munmap:", errno)
		}
	}
	t.Cleanup(func() {
		unix.Munmap(alias)
		unix.Syscall(unix.SYS_MUNMAP, uintptr(base), arenaSize+2*PageSize, 0)
	})
	return &arena{base, alias}
}

// An outcome is what a call did: its result, and for every byte of the arena
// whether it was written and what it held afterwards.
type outcome struct {
	value   int64
	errno   unix.Errno
	left    bool // the handler left it to the kernel
	written [arenaSize]bool
	bytes   [arenaSize]byte
}

// run makes a call over memory of zeros and over memory of ones, which no byte
// that was written can both be; several times, because what random numbers and
// clocks write differs each time.
func (a *arena) run(call func() (int64, unix.Errno, bool)) (o outcome) {
	// The kernel cuts a getrandom of several pages short when a signal comes,
	// such as the Go runtime's SIGURG.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, old unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^uint64(0)
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &old); err != nil {
		panic(err)
	}
	defer unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
	for _, fill := range []byte{0, 0xff, 0, 0xff, 0, 0xff} {
		clean := bytes.Repeat([]byte{fill}, PageSize)
		for i := 0; i < arenaSize; i += PageSize {
			copy(a.alias[i:], clean)
		}
		o.value, o.errno, o.left = call()
		for i := 0; i < arenaSize; i += PageSize {
			page := a.alias[i : i+PageSize]
			if bytes.Equal(page, clean) {
				continue
			}
			for j, b := range page {
				if b != fill {
					o.written[i+j] = true
					o.bytes[i+j] = b
				}
			}
		}
	}
	return o
}

// kernelCall is the real thing.
func kernelCall(nr int, args [6]uint64) (int64, unix.Errno) {
	r, _, errno := unix.RawSyscall6(uintptr(nr), uintptr(args[0]), uintptr(args[1]), uintptr(args[2]),
		uintptr(args[3]), uintptr(args[4]), uintptr(args[5]))
	if errno != 0 {
		return 0, errno
	}
	return int64(r), 0
}

// servedCall makes a call through its handler, with this thread as the program; a
// call that the handler leaves to the kernel is made there, over whatever the
// handler has written by then.
func servedCall(h Handler, nr int, args [6]uint64) (int64, unix.Errno, bool) {
	tid := unix.Gettid()
	r := h.Serve(&Call{Nr: int32(nr), Arch: unix.AUDIT_ARCH_X86_64, Args: args, TID: tid, Mem: ProcessMemory(tid)})
	if r.Continue {
		v, errno := kernelCall(nr, args)
		return v, errno, true
	}
	if r.Errno != 0 {
		return 0, r.Errno, false
	}
	return r.Value, 0, false
}

// compare makes one call both ways and reports what differs. Values that time
// or chance decides are compared by the caller.
func (a *arena) compare(t testing.TB, name string, args [6]uint64, chance bool) (kernel, ours outcome) {
	t.Helper()
	h, ok := Builtin(name)
	if !ok {
		t.Fatalf("no handler %s", name)
	}
	return a.compareWith(t, h, name, args, chance)
}

// compareWith is compare with a handler that is not the builtin one.
func (a *arena) compareWith(t testing.TB, h Handler, name string, args [6]uint64, chance bool) (kernel, ours outcome) {
	t.Helper()
	nr := numbers[name]
	kernel = a.run(func() (int64, unix.Errno, bool) {
		v, e := kernelCall(nr, args)
		return v, e, false
	})
	ours = a.run(func() (int64, unix.Errno, bool) { return servedCall(h, nr, args) })
	what := fmt.Sprintf("%s(%#x, %#x, %#x)", name, args[0], args[1], args[2])
	if kernel.errno != ours.errno || !chance && kernel.value != ours.value {
		t.Errorf("%s = %d, %v; kernel %d, %v", what, ours.value, ours.errno, kernel.value, kernel.errno)
	}
	if kernel.written != ours.written {
		t.Errorf("%s wrote %s; kernel %s", what, spans(&ours.written), spans(&kernel.written))
	}
	return kernel, ours
}

// spans lists what was written as ranges of offsets.
func spans(w *[arenaSize]bool) (s string) {
	for i := 0; i < len(w); i++ {
		if !w[i] {
			continue
		}
		j := i
		for j < len(w) && w[j] {
			j++
		}
		s += fmt.Sprintf("[%#x,%#x) ", i, j)
		i = j
	}
	if s == "" {
		return "nothing"
	}
	return s
}

var numbers = map[string]int{
	"getrandom": unix.SYS_GETRANDOM, "clock_gettime": unix.SYS_CLOCK_GETTIME, "clock_getres": unix.SYS_CLOCK_GETRES,
	"gettimeofday": unix.SYS_GETTIMEOFDAY, "time": unix.SYS_TIME, "getcpu": unix.SYS_GETCPU,
}

// judges reports whether the kernel tells what is mapped where (PROCMAP_QUERY,
// Linux 6.11); without, calls with bad pointers are left to it.
func judges() bool {
	var u unix.Utsname
	unix.Uname(&u)
	var major, minor int
	fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
	return major > 6 || major == 6 && minor >= 11
}

// pinned keeps the test on one thread and one processor, so that getcpu has one
// right answer.
func pinned(t testing.TB) {
	runtime.LockOSThread()
	var old, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &old); err != nil {
		t.Fatal(err)
	}
	for i := range 1024 {
		if old.IsSet(i) {
			one.Set(i)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.SchedSetaffinity(0, &old)
		runtime.UnlockOSThread()
	})
}

// topPage maps the last page below the border of user space, if it is free.
func topPage(t testing.TB) (addr uint64, ok bool) {
	const at = 1<<47 - 2*PageSize
	p, _, errno := unix.Syscall6(unix.SYS_MMAP, at, PageSize, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE, ^uintptr(0), 0)
	if errno == unix.EEXIST {
		return 0, false
	}
	if errno != 0 {
		t.Fatal("mmap of the top page:", errno)
	}
	t.Cleanup(func() { unix.Syscall(unix.SYS_MUNMAP, p, PageSize, 0) })
	return uint64(p), true
}

// pageBytes are the bytes of a mapped page.
func pageBytes(addr uint64) *[PageSize]byte {
	return (*[PageSize]byte)(*(*unsafe.Pointer)(unsafe.Pointer(&addr)))
}

// target is memory of this process that handlers write to.
var target [1 << 16]byte

func targetAt(off int) uint64 { return uint64(uintptr(unsafe.Pointer(&target[off]))) }

func TestMain(m *testing.M) {
	if role := os.Getenv("REFLECT_TEST_ROLE"); role != "" {
		os.Exit(playRole(role))
	}
	os.Exit(m.Run())
}
