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
	if !procIsOurs() {
		return ErrOutOfReach
	}
	s := getScratch()
	defer s.release()
	path := appendTask(s[:0], tid, "/maps\x00")
	fd, _, errno := unix.Syscall(unix.SYS_OPEN, uintptr(unsafe.Pointer(&path[0])), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if errno != 0 {
		return ErrOutOfReach
	}
	q := procmapQuery{flags: procmapOrNext, addr: addr}
	q.size = uint64(unsafe.Sizeof(q))
	_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, ioctlProcmapQuery, uintptr(unsafe.Pointer(&q)))
	unix.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
	switch {
	case errno == unix.ENOENT: // nothing there or above
		return unix.EFAULT
	case errno != 0:
		return ErrOutOfReach
	case addr < q.start: // a gap; what grows is private, anonymous and writable
		if q.vmaFlags&procmapWritable != 0 && q.vmaFlags&procmapShared == 0 && q.id == 0 {
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
