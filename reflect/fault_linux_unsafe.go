package reflect

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// procmapQuery is struct procmap_query of linux/fs.h (Linux 6.11).
type procmapQuery struct {
	size, flags, addr                          uint64
	start, end, vmaFlags, pageSize, offset, id uint64
	major, minor, nameSize, buildIDSize        uint32
	nameAddr, buildIDAddr                      uint64
}

const (
	ioctlProcmapQuery = 0xc0686611 // _IOWR('f', 17, struct procmap_query)
	procmapReadable   = 1
	procmapWritable   = 2
	procmapExecutable = 4
	procmapShared     = 8
	procmapOrNext     = 0x10
)

// judge decides what EFAULT at an address of a process means: a bad address, or
// one that get_user_pages refuses although the program's own access would do:
//
//   - memfd_secret(2) memory, and mappings of device memory (VM_IO, VM_PFNMAP);
//   - memory mapped for writing only, which the processor also reads;
//   - the gap under a stack, which grows when the program, or the kernel on its
//     behalf, touches it, but since Linux 6.5 not for others.
//
// EFAULT is a bad address for certain. In doubt, and on a kernel without
// PROCMAP_QUERY, the answer is ErrOutOfReach, on which the kernel is asked to do
// the call and gives the EFAULT, if it is one, itself.
func judge(tid int, addr uint64, write bool) error {
	if addr < PageSize || addr >= 1<<56-PageSize { // page zero; above any user space
		return unix.EFAULT
	}
	q, errno := mappingAt(tid, addr, procmapOrNext)
	switch {
	case errno == unix.ENOENT: // nothing there or above
		return unix.EFAULT
	case errno != 0:
		return ErrOutOfReach
	case addr < q.start:
		if q.mayGrow() {
			return ErrOutOfReach
		}
		return unix.EFAULT
	case write && q.vmaFlags&procmapWritable == 0:
		return unix.EFAULT
	case !write && q.vmaFlags&(procmapReadable|procmapWritable|procmapExecutable) == 0:
		return unix.EFAULT
	}
	return ErrOutOfReach
}

// mayGrow reports whether a mapping may be a stack: what grows is private,
// anonymous and writable.
func (q *procmapQuery) mayGrow() bool {
	return q.vmaFlags&procmapWritable != 0 && q.vmaFlags&procmapShared == 0 && q.id == 0
}

// mappingAt asks what a process has mapped at an address, or above it.
func mappingAt(tid int, addr, flags uint64) (q procmapQuery, errno unix.Errno) {
	if !procIsOurs() {
		return q, unix.ENOTTY
	}
	s := getScratch()
	defer s.release()
	path := appendTask(s[:0], tid, "/maps\x00")
	fd, _, errno := unix.Syscall(unix.SYS_OPEN, uintptr(unsafe.Pointer(&path[0])), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if errno != 0 {
		return q, unix.ENOTTY
	}
	q = procmapQuery{flags: flags, addr: addr}
	q.size = uint64(unsafe.Sizeof(q))
	_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, ioctlProcmapQuery, uintptr(unsafe.Pointer(&q)))
	unix.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
	return q, errno
}

// writeUnderStack stores p at an address that ErrOutOfReach was said of, within
// one page, if there is nothing but a stack above it, which then grows
// (__access_remote_vm calls expand_stack, process_vm_writev does not).
// /proc/PID/mem writes over protection, so it is used for such a gap only. What
// does not grow is a bad address for the program too.
func writeUnderStack(tid int, addr uint64, p []byte) (int, error) {
	q, errno := mappingAt(tid, addr, procmapOrNext)
	if errno != 0 || addr >= q.start || !q.mayGrow() {
		return 0, ErrOutOfReach
	}
	s := getScratch()
	defer s.release()
	path := appendTask(s[:0], tid, "/mem\x00")
	fd, _, errno := unix.Syscall(unix.SYS_OPEN, uintptr(unsafe.Pointer(&path[0])), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if errno != 0 {
		return 0, ErrOutOfReach
	}
	n, _, errno := unix.Syscall6(unix.SYS_PWRITE64, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), uintptr(addr), 0, 0)
	unix.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
	switch {
	case errno == unix.EIO:
		return 0, unix.EFAULT
	case errno != 0:
		return 0, ErrOutOfReach
	}
	return int(n), nil
}
