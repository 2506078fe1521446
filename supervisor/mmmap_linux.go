package supervisor

import (
	"bytes"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmMapBelow is how far below the initial stack pointer the structure for
// PR_SET_MM_MAP is put. The kernel gives a fresh stack 128 KiB of room there
// (setup_arg_pages), and the routine erases it.
const mmMapBelow = 1024

// prepareMMap writes a struct prctl_mm_map with the image's present values into
// its stack and returns the address, or 0. With it the routine mends the
// kernel's copy of the auxiliary vector, from which debuggers find the vDSO.
// It is a courtesy: an image that can't be read goes without.
func (h *handoff) prepareMMap(pid int, saved *unix.PtraceRegs) uint64 {
	m, ok := readMMap(pid)
	if !ok {
		return 0
	}
	addr := saved.Rsp - mmMapBelow
	b := unsafe.Slice((*byte)(unsafe.Pointer(&m)), unsafe.Sizeof(m))
	local := []unix.Iovec{{Base: &b[0], Len: uint64(len(b))}}
	remote := []unix.RemoteIovec{{Base: uintptr(addr), Len: len(b)}}
	if n, err := unix.ProcessVMWritev(pid, local, remote, 0); err != nil || n != len(b) {
		return 0
	}
	return addr
}

// readMMap reads the fields of /proc/PID/stat that PR_SET_MM_MAP sets anew.
func readMMap(pid int) (m mmMap, ok bool) {
	b, err := readProc(pid, "stat", make([]byte, 1024))
	if err != nil {
		return m, false
	}
	// proc(5) counts from 1; the command, field 2, may hold anything.
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return m, false
	}
	fields := bytes.Fields(b[i+1:])
	get := func(n int) uint64 {
		if n-3 >= len(fields) {
			return 0
		}
		v, _ := strconv.ParseUint(string(fields[n-3]), 10, 64)
		return v
	}
	m = mmMap{
		startCode: get(26), endCode: get(27), startStack: get(28),
		startData: get(45), endData: get(46), startBrk: get(47), brk: get(47),
		argStart: get(48), argEnd: get(49), envStart: get(50), envEnd: get(51),
		exeFD: ^uint32(0), // keep the executable
	}
	return m, m.startStack > 1 // zeros and ones are shown to those who may not know
}
