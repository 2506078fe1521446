package reflect

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestProcessMemoryStopsAtTheBadPage(t *testing.T) {
	a := newArena(t)
	m := ProcessMemory(unix.Getpid())
	for _, tc := range []struct {
		name        string
		off, n      int
		read, write int
	}{
		{"one page", writable1 + 10, 100, 100, 100},
		{"whole page", writable1, PageSize, PageSize, PageSize},
		{"two pages", writable1 + 4000, 200, 200, 200},
		{"nothing", noAccess, 0, 0, 0},
		{"into read-only", readOnly - 50, 100, 100, 50},
		{"only read-only", readOnly + 50, 100, 100, 0},
		{"read-only and on", readOnly, 2 * PageSize, 2 * PageSize, 0},
		{"into no access", noAccess - 1, 2, 1, 1},
		{"only no access", noAccess, 8, 0, 0},
		{"into a hole", hole - 3000, 9000, 3000, 3000},
		{"past the end", arenaSize - 7, 8, 7, 7},
		{"everything", 0, arenaSize, noAccess, readOnly},
	} {
		b := make([]byte, tc.n)
		for i := range a.alias {
			a.alias[i] = byte(i % 251)
		}
		n, err := m.Read(a.base+uint64(tc.off), b)
		if n != tc.read || (err == nil) != (n == tc.n) {
			t.Errorf("%s: read %d, %v; want %d", tc.name, n, err, tc.read)
		}
		if !bytes.Equal(b[:n], a.alias[tc.off:tc.off+n]) {
			t.Errorf("%s: read other bytes than are there", tc.name)
		}
		for i := range b {
			b[i] = 0xfe
		}
		n, err = m.Write(a.base+uint64(tc.off), b)
		if n != tc.write || (err == nil) != (n == tc.n) {
			t.Errorf("%s: wrote %d, %v; want %d", tc.name, n, err, tc.write)
		}
		for i := range a.alias {
			want := byte(i % 251)
			if i >= tc.off && i < tc.off+n {
				want = 0xfe
			}
			if a.alias[i] != want {
				t.Fatalf("%s: byte %#x is %#x after the write", tc.name, i, a.alias[i])
			}
		}
	}
}

// TestMoreThanOneTransfer crosses the number of pieces that one system call takes.
func TestMoreThanOneTransfer(t *testing.T) {
	b := make([]byte, len(target))
	for i := range b {
		b[i] = byte(i % 253)
	}
	m := ProcessMemory(unix.Getpid())
	if n, err := m.Write(targetAt(0), b); n != len(b) || err != nil {
		t.Fatalf("wrote %d, %v", n, err)
	}
	got := make([]byte, len(b))
	if n, err := m.Read(targetAt(0), got); n != len(b) || err != nil || !bytes.Equal(got, b) {
		t.Fatalf("read %d, %v", n, err)
	}
}

func TestBadAddressOrOutOfReach(t *testing.T) {
	// What a program can use itself and nobody else can, and what nobody can.
	mmap := func(addr uintptr, n, prot, flags, fd int) uint64 {
		p, _, errno := unix.Syscall6(unix.SYS_MMAP, addr, uintptr(n), uintptr(prot), uintptr(flags), uintptr(fd), 0)
		if errno != 0 {
			t.Fatal("mmap:", errno)
		}
		t.Cleanup(func() { unix.Syscall(unix.SYS_MUNMAP, p, uintptr(n), 0) })
		return uint64(p)
	}
	const private = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS
	const rw = unix.PROT_READ | unix.PROT_WRITE
	a := newArena(t)
	writeOnly := mmap(0, PageSize, unix.PROT_WRITE, private, -1)
	// What is below a stack is its own to grow into.
	stack := mmap(uintptr(lonely()), 2*PageSize, rw, private|unix.MAP_GROWSDOWN|unix.MAP_FIXED_NOREPLACE, -1)

	for _, tc := range []struct {
		name        string
		addr        uint64
		read, write error
	}{
		{"null", 0, unix.EFAULT, unix.EFAULT},
		{"page zero", PageSize - 1, unix.EFAULT, unix.EFAULT},
		{"kernel", 0xffffffff81000000, unix.EFAULT, unix.EFAULT},
		{"vsyscall page", 0xffffffffff600000, unix.EFAULT, unix.EFAULT},
		{"last address", 1<<64 - 1, unix.EFAULT, unix.EFAULT},
		{"between the halves", 1 << 60, unix.EFAULT, unix.EFAULT},
		{"read-only", a.base + readOnly, nil, unix.EFAULT},
		{"no access", a.base + noAccess, unix.EFAULT, unix.EFAULT},
		{"hole under a shared mapping", a.base + hole, unix.EFAULT, unix.EFAULT},
		{"mapped for writing only", writeOnly, ErrOutOfReach, nil},
		{"under a stack", stack - 2*PageSize, ErrOutOfReach, ErrOutOfReach},
	} {
		if !judges() && tc.addr >= PageSize && tc.addr < 1<<56 {
			continue
		}
		m := ProcessMemory(unix.Getpid())
		b := make([]byte, 1)
		if _, err := m.Read(tc.addr, b); err != tc.read {
			t.Errorf("%s: read: %v, want %v", tc.name, err, tc.read)
		}
		if _, err := m.Write(tc.addr, b); err != tc.write {
			t.Errorf("%s: write: %v, want %v", tc.name, err, tc.write)
		}
	}

	// getrandom must work there as without us: the handler leaves it to the
	// kernel, which grows the stack. (Before Linux 6.5 process_vm_writev does.)
	h, _ := Builtin("getrandom")
	if n, errno, left := servedCall(h, unix.SYS_GETRANDOM, [6]uint64{stack - 100, 16, 0}); n != 16 || !left && judges() {
		t.Errorf("getrandom under a stack: %d, %v, left to the kernel: %v", n, errno, left)
	}
	if n, errno, left := servedCall(h, unix.SYS_GETRANDOM, [6]uint64{stack - 3*PageSize, 5 * PageSize, 0}); n != 5*PageSize {
		t.Errorf("getrandom into the gap and the stack: %d, %v, left to the kernel: %v", n, errno, left)
	}
}

func TestSecretMemory(t *testing.T) {
	fd, _, errno := unix.Syscall(unix.SYS_MEMFD_SECRET, unix.O_CLOEXEC, 0, 0)
	if errno == unix.ENOSYS {
		t.Log("no secret memory here") // CONFIG_SECRETMEM, secretmem.enable
		return
	}
	if errno != 0 {
		t.Fatal(errno)
	}
	defer unix.Close(int(fd))
	if err := unix.Ftruncate(int(fd), PageSize); err != nil {
		t.Fatal(err)
	}
	p, _, errno := unix.Syscall6(unix.SYS_MMAP, 0, PageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED, fd, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer unix.Syscall(unix.SYS_MUNMAP, p, PageSize, 0)
	h, _ := Builtin("getrandom")
	if n, errno, left := servedCall(h, unix.SYS_GETRANDOM, [6]uint64{uint64(p), 32, 0}); n != 32 || !left {
		t.Errorf("getrandom into secret memory: %d, %v, left to the kernel: %v", n, errno, left)
	}
}

// target process: this test binary, waiting.
func waiter(t *testing.T, wrap ...string) (pid int) {
	t.Helper()
	args := append(wrap, os.Args[0])
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "REFLECT_TEST_ROLE=wait")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err = strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestProcessMemoryOfAnotherProcess(t *testing.T) {
	pid := waiter(t)
	m := ProcessMemory(pid)
	// Both are this binary, so target is at the same address in both (it is
	// linked at a fixed one); the other's is untouched.
	want := []byte("written from outside")
	if n, err := m.Write(targetAt(PageSize-5), want); n != len(want) || err != nil {
		t.Fatalf("wrote %d, %v", n, err)
	}
	got := make([]byte, len(want))
	if n, err := m.Read(targetAt(PageSize-5), got); n != len(want) || err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %q, %d, %v", got, n, err)
	}
	if bytes.Equal(target[PageSize-5:PageSize-5+len(want)], want) {
		t.Fatal("wrote to this process")
	}
	h, _ := Builtin("clock_gettime")
	c := &Call{Arch: unix.AUDIT_ARCH_X86_64, Args: [6]uint64{unix.CLOCK_MONOTONIC, targetAt(0)}, TID: pid, Mem: m}
	if r := h.Serve(c); r != (Result{}) {
		t.Errorf("clock_gettime for another process: %+v", r)
	}
}

func TestProcessThatCantBeReached(t *testing.T) {
	var b [4]byte
	gone := exec.Command(os.Args[0], "-test.run=^$")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	for _, tid := range []int{0, -1, gone.Process.Pid} {
		if n, err := ProcessMemory(tid).Read(targetAt(0), b[:]); n != 0 || err != unix.ESRCH {
			t.Errorf("process %d: %d, %v; want ESRCH", tid, n, err)
		}
	}
	for _, name := range Builtins() {
		h, _ := Builtin(name)
		c := &Call{Arch: unix.AUDIT_ARCH_X86_64, TID: gone.Process.Pid, Mem: ProcessMemory(gone.Process.Pid),
			Args: [6]uint64{targetAt(0), 16, 0}}
		if strings.HasPrefix(name, "clock") {
			c.Args = [6]uint64{unix.CLOCK_REALTIME, targetAt(0)}
		}
		if r := h.Serve(c); !r.Continue {
			t.Errorf("%s for a process that is gone: %+v, want it left to the kernel", name, r)
		}
	}
	if unix.Geteuid() != 0 {
		return
	}
	exe := t.TempDir() + "/reach" // where another user can execute it
	copyFile(t, exe)
	cmd := exec.Command(exe)
	cmd.Env = []string{"REFLECT_TEST_ROLE=reach", "TARGET=" + strconv.Itoa(unix.Getpid())}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	if got := strings.TrimSpace(string(out)); err != nil || got != "0 EPERM" {
		t.Errorf("another user's process: %q, %v; want EPERM", got, err)
	}
}

// copyFile copies this test binary to where any user can execute it.
func copyFile(t *testing.T, to string) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o755); err != nil {
		t.Fatal(err)
	}
	for dir := to; dir != "/" && dir != "/tmp"; {
		dir = dir[:strings.LastIndexByte(dir, '/')]
		if dir == "" || dir == os.TempDir() {
			break
		}
		os.Chmod(dir, 0o755)
	}
}

func TestTimeNamespace(t *testing.T) {
	if unix.Geteuid() != 0 {
		t.Skip("making a time namespace takes root")
	}
	pid := waiter(t, "unshare", "--time", "--monotonic", "100000", "--fork")
	h, _ := Builtin("clock_gettime")
	for id, want := range map[int]bool{
		unix.CLOCK_REALTIME: false, unix.CLOCK_REALTIME_COARSE: false, unix.CLOCK_TAI: false, unix.CLOCK_MONOTONIC: true,
		unix.CLOCK_MONOTONIC_RAW: true, unix.CLOCK_MONOTONIC_COARSE: true, unix.CLOCK_BOOTTIME: true,
	} {
		c := &Call{Arch: unix.AUDIT_ARCH_X86_64, Args: [6]uint64{uint64(id), targetAt(0)}, TID: pid, Mem: ProcessMemory(pid)}
		if r := h.Serve(c); r.Continue != want {
			t.Errorf("clock %d of another time namespace: %+v", id, r)
		}
	}
}

// TestForeignProc: where /proc shows other processes under our numbers, what it
// says is not used.
func TestForeignProc(t *testing.T) {
	if unix.Geteuid() != 0 {
		t.Skip("making a pid namespace takes root")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "REFLECT_TEST_ROLE=foreign-proc")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}
	out, err := cmd.CombinedOutput()
	// getcpu needs no /proc where the thread is bound to one processor.
	got := strings.TrimSpace(string(out))
	if err != nil || got != "clock_gettime true true;getcpu true true;<nil>" && runtime.NumCPU() > 1 {
		t.Errorf("%q, %v", got, err)
	}
}

func TestManyThreads(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 300 {
				for _, hc := range handlerCalls {
					h, _ := Builtin(hc.handler)
					args := hc.args
					if hc.handler == "getrandom" {
						args[1] %= 5000
					}
					fake := new(Fake)
					fake.Map(targetAt(0), len(target), true)
					c := &Call{Arch: unix.AUDIT_ARCH_X86_64, Args: args, TID: unix.Getpid(), Mem: fake}
					if r := h.Serve(c); r.Continue {
						t.Errorf("thread %d: %s was left to the kernel", i, hc.name)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestOtherABIsAreLeft(t *testing.T) {
	for _, name := range Builtins() {
		h, _ := Builtin(name)
		for _, c := range []*Call{
			{Arch: unix.AUDIT_ARCH_I386, Mem: new(Fake)},
			{Arch: unix.AUDIT_ARCH_AARCH64, Mem: new(Fake)},
			{Arch: unix.AUDIT_ARCH_X86_64, Nr: x32Bit | 201, Mem: new(Fake)},
		} {
			if r := h.Serve(c); !r.Continue {
				t.Errorf("%s, architecture %#x, number %#x: %+v", name, c.Arch, c.Nr, r)
			}
		}
	}
}
