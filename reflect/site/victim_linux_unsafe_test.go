package site

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A victim is a traced process without any code but a system call instruction
// and a breakpoint. What it runs is mapped into it; no system call that this
// makes is executed. It belongs to the thread that started it.
type victim struct {
	t    testing.TB
	pid  int
	mem  *os.File
	busy []Range // what is mapped
}

const (
	victimAddr   = 0x10000
	victimCode   = victimAddr + 0x78
	pageSize     = 4096
	nrMmap       = 9
	nrMunmap     = 11
	fixedNoStack = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_FIXED_NOREPLACE
)

// victimImage is an ELF file of one page: headers, `syscall`, `int3`.
func victimImage() []byte {
	b := make([]byte, pageSize)
	copy(b, elf.ELFMAG+"\x02\x01\x01")
	le.PutUint16(b[16:], uint16(elf.ET_EXEC))
	le.PutUint16(b[18:], uint16(elf.EM_X86_64))
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[24:], victimCode)
	le.PutUint64(b[32:], 64)
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[56:], 1)
	p := b[64:]
	le.PutUint32(p, uint32(elf.PT_LOAD))
	le.PutUint32(p[4:], uint32(elf.PF_R|elf.PF_X))
	le.PutUint64(p[16:], victimAddr)
	le.PutUint64(p[32:], pageSize)
	le.PutUint64(p[40:], pageSize)
	le.PutUint64(p[48:], pageSize)
	copy(b[victimCode-victimAddr:], []byte{0x0f, 0x05, 0xcc})
	return b
}

// newVictim starts one, and locks the goroutine to its thread.
func newVictim(t testing.TB) *victim {
	t.Helper()
	fd, err := unix.MemfdCreate("victim", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	image := os.NewFile(uintptr(fd), "victim")
	defer image.Close()
	if _, err := image.Write(victimImage()); err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	cmd := exec.Command("/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{image}
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	v := &victim{t: t, pid: cmd.Process.Pid, busy: []Range{{0, 2 * victimAddr}}}
	v.wait()
	if err := unix.PtraceSetOptions(v.pid, unix.PTRACE_O_EXITKILL|unix.PTRACE_O_TRACESYSGOOD); err != nil {
		t.Fatal(err)
	}
	if v.mem, err = os.OpenFile(fmt.Sprintf("/proc/%d/mem", v.pid), os.O_RDWR, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		v.mem.Close()
		cmd.Process.Kill()
		cmd.Wait()
		runtime.UnlockOSThread()
	})
	return v
}

func (v *victim) wait() unix.WaitStatus {
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(v.pid, &status, unix.WALL, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || !status.Stopped() {
			v.t.Fatalf("wait: %v, %#x", err, status)
		}
		return status
	}
}

// resume goes on by a ptrace request until the next stop.
func (v *victim) resume(request int) unix.Signal {
	v.t.Helper()
	if _, _, e := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(request), uintptr(v.pid), 0, 0, 0, 0); e != 0 {
		v.t.Fatalf("ptrace request %d: %v", request, e)
	}
	return v.wait().StopSignal()
}

func (v *victim) regs() (r unix.PtraceRegs) {
	if err := unix.PtraceGetRegs(v.pid, &r); err != nil {
		v.t.Fatal(err)
	}
	return r
}

func (v *victim) setRegs(r *unix.PtraceRegs) {
	if err := unix.PtraceSetRegs(v.pid, r); err != nil {
		v.t.Fatal(err)
	}
}

// fpregs is x87, MMX and SSE state, as fxsave gives it.
type fpregs [512]byte

func (v *victim) fp(request int, f *fpregs) {
	_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(request), uintptr(v.pid), 0, uintptr(unsafe.Pointer(f)), 0, 0)
	if e != 0 {
		v.t.Fatal(e)
	}
}

// call makes a system call in the victim.
func (v *victim) call(nr uint64, args ...uint64) int64 {
	v.t.Helper()
	r := v.regs()
	a := [6]uint64{}
	copy(a[:], args)
	r.Rax, r.Rdi, r.Rsi, r.Rdx, r.R10, r.R8, r.R9 = nr, a[0], a[1], a[2], a[3], a[4], a[5]
	r.Rip, r.Orig_rax = victimCode, ^uint64(0)
	v.setRegs(&r)
	if s := v.resume(unix.PTRACE_CONT); s != unix.SIGTRAP {
		v.t.Fatalf("system call %d: %v", nr, s)
	}
	r = v.regs()
	return int64(r.Rax)
}

// mmap maps memory at an address, false if something is there.
func (v *victim) mmap(r Range) bool {
	for _, b := range v.busy {
		if b.overlaps(r) {
			return false
		}
	}
	got := v.call(nrMmap, r.Start, r.End-r.Start, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, fixedNoStack, ^uint64(0), 0)
	if got == -int64(unix.EEXIST) {
		return false
	}
	if uint64(got) != r.Start {
		v.t.Fatalf("mmap of %#x: %d", r.Start, got)
	}
	v.busy = append(v.busy, r)
	return true
}

func (v *victim) munmap(r Range) {
	if n := v.call(nrMunmap, r.Start, r.End-r.Start); n != 0 {
		v.t.Fatalf("munmap of %#x: %d", r.Start, n)
	}
	for i, b := range v.busy {
		if b == r {
			v.busy = append(v.busy[:i], v.busy[i+1:]...)
			return
		}
	}
}

func (v *victim) write(addr uint64, b []byte) {
	v.t.Helper()
	if _, err := v.mem.WriteAt(b, int64(addr)); err != nil {
		v.t.Fatalf("write to %#x: %v", addr, err)
	}
}

func (v *victim) read(addr uint64, n int) []byte {
	v.t.Helper()
	b := make([]byte, n)
	if _, err := v.mem.ReadAt(b, int64(addr)); err != nil {
		v.t.Fatalf("read at %#x: %v", addr, err)
	}
	return b
}

// load maps a file as an exec would, at its addresses plus bias. All of it is
// writable and executable.
func (v *victim) load(f *File, bias uint64) {
	v.t.Helper()
	for _, s := range f.segments {
		r := Range{(s.addr + bias) &^ (pageSize - 1), (s.end() + bias + pageSize - 1) &^ (pageSize - 1)}
		for _, b := range v.busy { // segments may share a page
			if b.contains(r.Start) {
				r.Start = b.End
			}
		}
		if r.Start < r.End && !v.mmap(r) {
			v.t.Fatalf("%#x is taken", r.Start)
		}
		v.write(s.addr+bias, s.bytes)
	}
}
