package vdsoshim

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bytesOf is s as bytes that must not be changed.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// randomBytes fills b, of 256 bytes at most. By unix.Getrandom the Go runtime would
// first make a state for the vDSO's function, and package crypto/rand a generator of
// its own: more than a single call costs.
func randomBytes(b []byte) error {
	if _, _, e := unix.RawSyscall(unix.SYS_GETRANDOM, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0); e != 0 {
		return e
	}
	return nil
}

// imageAt returns the image that the kernel mapped at base, where it lies: read-only,
// for as long as the process lives. The kernel maps the whole file, so that the
// headers may say how long it is; whether those pages are mapped is asked before they
// are touched.
func imageAt(base uint64) ([]byte, error) {
	if !mapped(base, PageSize) {
		return nil, fmt.Errorf("%w: nothing is mapped at AT_SYSINFO_EHDR", ErrNoVDSO)
	}
	head, err := measure(view(base, PageSize))
	if err != nil {
		return nil, err
	}
	for ; head > PageSize && !mapped(base, head); head -= PageSize {
	}
	return view(base, head), nil
}

func view(base, size uint64) []byte {
	// The address is the kernel's, outside Go's heap.
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&base))), size)
}

// mapped asks mincore(2), which fails with ENOMEM over a hole.
func mapped(base, size uint64) bool {
	vec := make([]byte, size/PageSize)
	_, _, e := unix.Syscall(unix.SYS_MINCORE, uintptr(base), uintptr(size), uintptr(unsafe.Pointer(&vec[0])))
	return e == 0
}

// callQuery asks a __vdso_getrandom for its parameters.
func callQuery(fn uint64, p *params) int64 {
	return callC(fn, 0, 0, 0, unsafe.Pointer(p), ^uint64(0))
}
