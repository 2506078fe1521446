package supervisor

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// regsBytes is the memory of regs.
func regsBytes(regs *unix.PtraceRegs) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(regs)), unsafe.Sizeof(*regs))
}

// maskBytes is the memory of a mask.
func maskBytes(mask *uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(mask)), unsafe.Sizeof(*mask))
}
