package patch

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// remap maps a file, or with -1 nothing that can be read, where data is.
func remap(data []byte, fd int) error {
	flags := uintptr(unix.MAP_PRIVATE | unix.MAP_FIXED)
	prot := uintptr(unix.PROT_READ)
	if fd < 0 {
		flags |= unix.MAP_ANONYMOUS | unix.MAP_NORESERVE
		prot = unix.PROT_NONE
	}
	_, _, e := unix.Syscall6(unix.SYS_MMAP, uintptr(unsafe.Pointer(&data[0])), uintptr(len(data)), prot, flags, uintptr(fd), 0)
	if e != 0 {
		return e
	}
	return nil
}
