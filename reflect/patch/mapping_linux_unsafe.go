package patch

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// procmapQuery is struct procmap_query of <linux/fs.h> (Linux >= 6.11).
type procmapQuery struct {
	size, flags, addr           uint64
	start, end, vmaFlags        uint64
	pageSize, offset, inode     uint64
	major, minor                uint32
	nameSize, buildIDSize       uint32
	nameAddress, buildIDAddress uint64
}

const (
	// PROCMAP_QUERY, _IOWR(PROCFS_IOCTL_MAGIC, 17, struct procmap_query)
	ioctlProcmapQuery = 3<<30 | unsafe.Sizeof(procmapQuery{})<<16 | 'f'<<8 | 17

	procmapReadable   = 1
	procmapWritable   = 2
	procmapExecutable = 4
	procmapShared     = 8
)

// queryMapping asks /proc/PID/maps, open as fd, for what is mapped at an address. A
// program can have hundreds of mappings, and the kernel makes a text of each
// that is read. ENOENT means that nothing is mapped there; other errors say that
// this could not be learnt so.
func queryMapping(fd int, addr uint64) (mapping, error) {
	var name [unix.PathMax]byte
	q := procmapQuery{
		size: uint64(unsafe.Sizeof(procmapQuery{})), addr: addr,
		nameSize: uint32(len(name)), nameAddress: uint64(uintptr(unsafe.Pointer(&name[0]))),
	}
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ioctlProcmapQuery, uintptr(unsafe.Pointer(&q))); e != 0 {
		return mapping{}, e
	}
	m := mapping{
		start: q.start, end: q.end, offset: q.offset, inode: q.inode,
		dev: unix.Mkdev(q.major, q.minor),
	}
	perms := []byte("---p")
	for _, p := range []struct {
		flag uint64
		at   int
		name byte
	}{{procmapReadable, 0, 'r'}, {procmapWritable, 1, 'w'}, {procmapExecutable, 2, 'x'}, {procmapShared, 3, 's'}} {
		if q.vmaFlags&p.flag != 0 {
			perms[p.at] = p.name
		}
	}
	m.perms = string(perms)
	if q.nameSize > 0 {
		m.path = string(name[:q.nameSize-1]) // with its NUL
	}
	return m, nil
}
