package vdsoshim

import (
	"fmt"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What the block functions want beside their arguments, as chacha.h has it.
const (
	blockScratch = 512
	blockSave    = 1088
)

// A Runner runs block functions of the image in this process, to test and to
// measure them. It is safe for concurrent use, one call at a time.
type Runner struct {
	mu  sync.Mutex
	mem []byte // the image, R-X, and a page for scratch and save area, RW-
}

// NewRunner maps the image. The errors are those of mmap(2) and mprotect(2);
// some hardened systems allow no memory that was written to be executed.
func NewRunner() (*Runner, error) {
	mem, err := unix.Mmap(-1, 0, ImageSize+PageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("map the image: %w", err)
	}
	copy(mem, image)
	if err := unix.Mprotect(mem[:ImageSize], unix.PROT_READ|unix.PROT_EXEC); err != nil {
		unix.Munmap(mem)
		return nil, fmt.Errorf("make the image executable: %w", err)
	}
	return &Runner{mem: mem}, nil
}

// Close unmaps the image. The Runner can't be used afterwards; a second Close does
// nothing.
func (r *Runner) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mem == nil {
		return nil
	}
	mem := r.mem
	r.mem = nil
	return unix.Munmap(mem)
}

// Keystream fills dst, whose length is a positive multiple of [BlockUnit], from
// the block with this counter on, as [Keystream] does. The key may be the last
// bytes of dst. It returns an error that wraps [ErrUnusable] where the function
// can't run.
func (r *Runner) Keystream(b Block, dst []byte, key *[32]byte, counter uint64) error {
	if err := b.Usable(); err != nil {
		return err
	}
	if len(dst) == 0 || len(dst)%BlockUnit != 0 {
		return fmt.Errorf("%d bytes are no positive multiple of %d", len(dst), BlockUnit)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mem == nil {
		return fmt.Errorf("%v: the image is unmapped", b)
	}
	r.call(uint64(b.Off()), dst, key, counter)
	return nil
}

func (r *Runner) call(off uint64, dst []byte, key *[32]byte, counter uint64) {
	page := r.mem[ImageSize:]
	callBlock(uintptr(unsafe.Pointer(&r.mem[off])), &dst[0], len(dst)/BlockUnit, key, counter,
		unsafe.Pointer(&page[0]), unsafe.Pointer(&page[blockScratch]))
}

// callBlock enters a block function.
//
//go:noescape
func callBlock(fn uintptr, dst *byte, units int, key *[32]byte, counter uint64, scratch, save unsafe.Pointer)
