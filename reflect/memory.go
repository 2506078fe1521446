package reflect

import (
	"errors"

	"golang.org/x/sys/unix"
)

// PageSize is the unit of protection.
const PageSize = 4096

// A Memory reads and writes a program's memory with the protection that the
// program itself has: a read-only page can't be written.
type Memory interface {
	// Read fills p from addr and returns how many bytes it could read; fewer
	// than len(p) come with unix.EFAULT, or with ErrOutOfReach where the
	// program itself may be able to read on. Other errors mean that the
	// process can't be reached: unix.EPERM, unix.ESRCH.
	Read(addr uint64, p []byte) (int, error)
	// Write stores p at addr, likewise.
	Write(addr uint64, p []byte) (int, error)
}

// ErrOutOfReach is what Memory says of an address that can't be used from
// outside although the program itself may be able to: secret or device memory,
// a stack that has yet to grow. A handler should leave the call to the kernel.
var ErrOutOfReach = errors.New("memory out of reach from outside the process")

// put stores p, of at most 8 bytes, as the kernel's put_user does: whole or,
// where any byte of it can't be written, not at all.
func put(m Memory, addr uint64, p []byte) error {
	room := PageSize - int(addr%PageSize)
	if room >= len(p) {
		_, err := m.Write(addr, p)
		return err
	}
	// The processor checks both pages before it stores anything. Here the
	// second half goes first, and is taken back if the first can't follow.
	// Whoever looks at the second half meanwhile sees it early; a store
	// across pages is not atomic in the program either.
	var old [8]byte
	b := old[:len(p)]
	if _, err := m.Read(addr, b); err != nil {
		return err
	}
	if _, err := m.Write(addr+uint64(room), p[room:]); err != nil {
		return err
	}
	if _, err := m.Write(addr, p[:room]); err != nil {
		m.Write(addr+uint64(room), b[room:]) //nolint:errcheck // it could be written a moment ago
		return err
	}
	return nil
}

// copyOut stores p as copy_to_user does: as far as the memory goes.
func copyOut(m Memory, addr uint64, p []byte) error {
	if !accessOK(addr, uint64(len(p))) {
		return unix.EFAULT
	}
	_, err := m.Write(addr, p)
	return err
}

// fault turns an error of Memory into the program's answer. EFAULT is the
// program's; anything else is ours, and the kernel, which has no such trouble,
// then does the call.
func fault(err error) Result {
	if err == unix.EFAULT {
		return Result{Errno: unix.EFAULT}
	}
	return leave
}
