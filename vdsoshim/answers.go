package vdsoshim

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// An Answer says what becomes of a system call at a patched site.
type Answer struct {
	Kind AnswerKind
	// Value is what a constant returns in rax: a result, or -errno.
	Value int64
}

// AnswerKind is what serves a call at a patched site.
type AnswerKind uint8

const (
	// AnswerConstant returns the answer's value.
	AnswerConstant AnswerKind = iota + 1
	// AnswerGenerator serves getrandom.
	AnswerGenerator
	// AnswerKernel makes the call, from a record among the stubs, which the filter
	// exempts by its address.
	AnswerKernel
)

// TableOff is where the dispatcher's table stands in the image: 32 bits for each
// number below DispatchCalls. At least DispatchAnswered there means that the call is
// answered in the program, and never by the kernel.
const TableOff = tableOff

// Where a constant's value and number stand in its code, shim/reflected.S.
const (
	constantValue  = 34
	constantNumber = 48
)

// writeAnswers fills the dispatcher's table and the constants' code.
func (c *completion) writeAnswers() error {
	if len(c.o.Answers) == 0 {
		return nil
	}
	le.PutUint32(c.image[planOff+planPatch:], 1)
	c.entries = map[int]uint64{}
	used := 0
	for _, nr := range slices.Sorted(maps.Keys(c.o.Answers)) {
		a := c.o.Answers[nr]
		if nr < 0 || nr >= DispatchCalls {
			return fmt.Errorf("system call %d: %w", nr, ErrRoom)
		}
		to := uint32(dispatchKernel)
		switch a.Kind {
		case AnswerKernel:
			c.entries[nr] = 0
		case AnswerGenerator:
			to = uint32(reflectedGetrandom.off)
			c.entries[nr] = reflectedGetrandom.off
		case AnswerConstant:
			if used == constantRoom {
				to = dispatchValue
				le.PutUint64(c.image[valuesOff+8*nr:], uint64(a.Value))
				break
			}
			at := constants.off + constantSize*uint64(used)
			used++
			le.PutUint64(c.image[at+constantValue:], uint64(a.Value))
			le.PutUint32(c.image[at+constantNumber:], uint32(nr))
			to = uint32(at)
			c.entries[nr] = at
		}
		le.PutUint32(c.image[tableOff+4*nr:], to)
	}
	if c.o.untold() {
		if c.image[epochCallOff] != 0x0f || c.image[epochCallOff+1] != 0x85 { // jne, 32 bits
			return errors.New("the image's test for lost pages is not where it was")
		}
		copy(c.image[epochCallOff:], []byte{0x90, 0xe9}) // nop; jmp
	}
	for _, nr := range c.o.forgetting() {
		le.PutUint32(c.image[tableOff+4*nr:], dispatchForget)
		c.entries[nr] = forget.off
	}
	return nil
}

// losing are the calls by which a program can lose pages that the generator takes for
// writable: munmap, mprotect, mremap, brk, shmdt, remap_file_pages and pkey_mprotect,
// and those that put something else in their place, mmap and shmat, or make them
// fault, madvise (MADV_GUARD_INSTALL).
func losing() []int {
	return []int{unix.SYS_MMAP, unix.SYS_MPROTECT, unix.SYS_MUNMAP, unix.SYS_BRK, unix.SYS_MREMAP, unix.SYS_MADVISE,
		unix.SYS_SHMAT, unix.SYS_SHMDT, unix.SYS_REMAP_FILE_PAGES, unix.SYS_PKEY_MPROTECT}
}

// generator reports whether getrandom is answered in the program.
func (o *Options) generator() bool {
	for _, a := range o.Answers {
		if a.Kind == AnswerGenerator {
			return true
		}
	}
	return false
}

// untold reports whether one of them passes through: by a site's own stub, or by the
// supervisor, it reaches the kernel without the generator being told. Then no page is
// remembered from one request to the next.
func (o *Options) untold() bool {
	return o.generator() && slices.ContainsFunc(losing(), func(nr int) bool {
		a, answered := o.Answers[nr]
		return answered && a.Kind == AnswerKernel
	})
}

// forgetting are those that are to tell the generator: none where it forgets anyway.
func (o *Options) forgetting() []int {
	if !o.generator() || o.untold() {
		return nil
	}
	return slices.DeleteFunc(losing(), func(nr int) bool {
		_, answered := o.Answers[nr]
		return answered
	})
}

// Forgets are calls whose sites are worth a patch although they are the kernel's:
// where getrandom is answered in the program, their code there ([Built.Entry]) makes
// it forget which pages it may write to.
func (b *Built) Forgets() []int { return b.forgets }

// Entry is the offset of the code that serves a call at a site that can bring
// no other: it is entered with the address behind the site in rcx, whatever rax is.
// Other calls need a record.
func (b *Built) Entry(nr int) (off uint64, ok bool) {
	off, ok = b.entries[nr]
	return off, ok && off != 0
}

// Passes tells whether a call that can come by patched sites passes through to the
// kernel, which is done by the beginning of a record.
func (b *Built) Passes(nr int) bool {
	off, ok := b.entries[nr]
	return ok && off == 0
}

// Record returns a site's record, StubSize bytes for the address at among the
// stubs in the region (so below 2 GiB), in a program that has the image at base. It
// is entered at its beginning, to make the call, with the address behind the site in
// rcx, or at StubDispatch, to have the number looked at; there rcx need not be set.
// With counting, calls by StubDispatch are counted as those of site number counter too
// (0 for sites that have none).
func (b *Built) Record(base, at, site uint64, counter int) []byte {
	to := dispatch.off
	if b.Counting {
		to = countedDispatch.off
	}
	r := make([]byte, 0, StubSize)
	r = append(r, recordFirst...)
	r = le.AppendUint32(append(r, 0x8d, 0x89), ^uint32(syscallFirst)+1) // lea -SYSCALL_FIRST(%rcx), %ecx
	r = append(r, 0xe3, 6)                                              // jrcxz, over the next
	r = append(r, 0xff, 0x25)                                           // jmp *site
	r = le.AppendUint32(r, uint32(StubSite-(len(r)+4)))
	r = append(r, 0x0f, 0x05)                          // syscall
	r = le.AppendUint64(append(r, 0x48, 0xb9), site+2) // mov $(site+2), %rcx
	r = pad(append(r, 0xff, 0xe1), StubDispatch)       // jmp *%rcx
	r = le.AppendUint32(append(r, 0xb9), uint32(at))   // mov $at, %ecx
	r = append(r, 0xe9)                                // jmp shim_dispatch
	r = le.AppendUint32(r, uint32(base+to-(at+uint64(len(r))+4)))
	r = pad(r, stubCounter)
	counts := uint32(0)
	if b.Counting {
		counts = uint32(CountersOff + CounterRows*CounterRowSize + 8*counter)
	}
	r = le.AppendUint64(le.AppendUint32(r, counts), site)
	return Unit(r, site+2)
}

// Withdrawn is what a record begins with that leads calls back to the site: a jump over all that
// would make the call. It is one store, after which a thread in the record goes on as it would.
func Withdrawn() []byte { return []byte{0xeb, recordBack - 2} }

// recordBack is where a record jumps to its site, StubMade where it has made the call.
const recordBack = 12

// IsRecord reports whether an aligned unit of the region's stubs is a record that makes calls.
func IsRecord(unit []byte) bool {
	return len(unit) == StubSize && bytes.HasPrefix(unit, recordFirst) &&
		le.Uint64(unit[StubSite:])+2 == le.Uint64(unit[StubUnwind:])
}

var recordFirst = []byte{0x0f, 0xb6, 0x49, 0xfe} // movzbl -2(%rcx), %ecx

// Unit makes an aligned unit of the region's stubs from at most StubUnwind bytes of
// code: unwinders find the address behind the site at its end.
func Unit(code []byte, back uint64) []byte {
	return le.AppendUint64(pad(code, StubUnwind), back)
}

// pad fills up with int3.
func pad(b []byte, n int) []byte {
	for len(b) < n {
		b = append(b, 0xcc)
	}
	return b
}
