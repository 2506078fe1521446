package reflect

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Process is the memory of the process that a thread belongs to. Its zero
// value reaches nothing. One Process can be reused for one call after another
// by setting TID, which saves the allocation that ProcessMemory makes.
type Process struct {
	TID int // in our pid namespace
}

// ProcessMemory returns the memory of the process that thread tid belongs to.
func ProcessMemory(tid int) Memory { return &Process{TID: tid} }

// kernelHalf is where addresses that no program can use begin.
const kernelHalf = 1 << 63

// maxPieces bounds one transfer; the kernel takes up to UIO_FASTIOV (8) pieces
// without allocating.
const maxPieces = 8

// Read implements Memory.
func (p *Process) Read(addr uint64, b []byte) (int, error) {
	return p.transfer(unix.SYS_PROCESS_VM_READV, addr, b)
}

// Write implements Memory.
func (p *Process) Write(addr uint64, b []byte) (int, error) {
	return p.transfer(unix.SYS_PROCESS_VM_WRITEV, addr, b)
}

// transfer moves b. process_vm_readv(2) promises partial transfers only between
// whole pieces, so every page is a piece of its own.
func (p *Process) transfer(nr uintptr, addr uint64, b []byte) (int, error) {
	if p.TID <= 0 {
		return 0, unix.ESRCH
	}
	done := 0
	for done < len(b) {
		at := addr + uint64(done)
		// The kernel would read the vsyscall page for us, which the program
		// can't; and an address must not wrap.
		if at >= kernelHalf {
			return done, unix.EFAULT
		}
		var remote [maxPieces]unix.RemoteIovec
		pieces, want := 0, 0
		for pieces < maxPieces && done+want < len(b) {
			n := min(PageSize-int((at+uint64(want))%PageSize), len(b)-done-want)
			remote[pieces] = unix.RemoteIovec{Base: uintptr(at) + uintptr(want), Len: n}
			pieces++
			want += n
		}
		local := unix.Iovec{Base: &b[done], Len: uint64(want)}
		n, _, errno := unix.Syscall6(nr, uintptr(p.TID),
			uintptr(unsafe.Pointer(&local)), 1,
			uintptr(unsafe.Pointer(&remote)), uintptr(pieces), 0)
		switch {
		case errno == unix.EFAULT || errno == 0 && n == 0:
			return done, judge(p.TID, at, nr == unix.SYS_PROCESS_VM_WRITEV)
		case errno != 0:
			return done, errno
		}
		// Less than asked for: the next turn begins at the bad page and
		// learns why.
		done += int(n)
	}
	return done, nil
}
