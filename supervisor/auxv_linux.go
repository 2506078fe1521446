package supervisor

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// auxv is what the handoff needs of a process's auxiliary vector.
type auxv struct {
	vdso uint64 // AT_SYSINFO_EHDR
}

// readAuxv reads a fresh image's auxiliary vector: from its stack, where the kernel
// has just put it, or, where arguments and environment are many, the kernel's copy in
// /proc/PID/auxv (proc(5)), which takes five times as long.
func readAuxv(pid int, sp uint64) (auxv, error) {
	var buf [4096]byte
	if b, ok := skipToAuxv(aboveStack(pid, sp, buf[:])); ok {
		if a, whole := parseAuxv(b); whole {
			return a, nil
		}
	}
	b, err := readProc(pid, "auxv", buf[:])
	if err != nil {
		return auxv{}, err
	}
	a, _ := parseAuxv(b)
	return a, nil
}

const pageSize = 4096

// aboveStack reads as much of what is above a stack pointer as fits, or as there is.
// Only whole ranges are read (process_vm_readv(2)), and the stack may end at a page.
func aboveStack(pid int, sp uint64, buf []byte) []byte {
	first := min(int(pageSize-sp%pageSize), len(buf))
	local := []unix.Iovec{{Base: &buf[0]}}
	local[0].SetLen(len(buf))
	remote := []unix.RemoteIovec{{Base: uintptr(sp), Len: first}, {Base: uintptr(sp) + uintptr(first), Len: len(buf) - first}}
	n, err := unix.ProcessVMReadv(pid, local, remote, 0)
	if err != nil {
		return nil
	}
	return buf[:n]
}

// skipToAuxv skips the count of arguments, their pointers and those of the
// environment, each list with a null behind it (create_elf_tables).
func skipToAuxv(b []byte) ([]byte, bool) {
	for nulls := -1; len(b) >= 8; b = b[8:] {
		switch {
		case nulls < 0: // the count
			nulls = 0
		case nulls == 2:
			return b, true
		case binary.LittleEndian.Uint64(b) == 0:
			nulls++
		}
	}
	return nil, false
}

// parseAuxv looks through a vector; whole says that its end was there.
func parseAuxv(b []byte) (a auxv, whole bool) {
	const null, sysinfoEHDR = 0, 33 // AT_NULL, AT_SYSINFO_EHDR
	for ; len(b) >= 16; b = b[16:] {
		switch binary.LittleEndian.Uint64(b) {
		case null:
			return a, true
		case sysinfoEHDR:
			a.vdso = binary.LittleEndian.Uint64(b[8:])
		}
	}
	return a, false
}
