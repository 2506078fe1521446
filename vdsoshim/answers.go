package vdsoshim

import (
	"fmt"
	"maps"
	"slices"
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

// immediate is where a constant's value stands in its code, shim/reflected.S.
const immediate = 49

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
		if nr < 0 || nr >= dispatchCalls {
			return fmt.Errorf("system call %d: %w", nr, ErrRoom)
		}
		to := uint32(dispatchKernel)
		switch a.Kind {
		case AnswerGenerator:
			to = uint32(dispatchedGetrandom.off)
			c.entries[nr] = reflectedGetrandom.off
		case AnswerConstant:
			if used == MaxConstants {
				return fmt.Errorf("more than %d constants: %w", MaxConstants, ErrRoom)
			}
			at := constants.off + constantSize*uint64(used)
			used++
			le.PutUint64(c.image[at+immediate:], uint64(a.Value))
			to = uint32(at)
			c.entries[nr] = at + constantDirect
		}
		le.PutUint32(c.image[tableOff+4*nr:], to)
	}
	return nil
}

// Entry is the offset of the code that serves a call at a site that can bring
// no other: it is entered with rax as the program left it and the address
// behind the site in rcx. There is none for a call that passes through to the
// kernel: that leads to the beginning of a record.
func (b *Built) Entry(nr int) (off uint64, ok bool) {
	off, ok = b.entries[nr]
	return off, ok
}

// Record returns a site's record, StubSize bytes for the address at among the
// stubs in the region (so below 2 GiB), in a program that has the image at base. It
// is entered at its beginning, to make the call, or at StubDispatch, to have the
// number looked at; rcx need not be set. With counting, calls by StubDispatch are
// counted as those of site number counter too (0 for sites that have none).
func (b *Built) Record(base, at, site uint64, counter int) []byte {
	to := dispatch.off
	if b.Counting {
		to = countedDispatch.off
	}
	r := make([]byte, 0, StubSize)
	r = append(r, 0x0f, 0x05)                             // syscall
	r = le.AppendUint64(append(r, 0x48, 0xb9), site+2)    // mov $(site+2), %rcx
	r = pad(append(r, 0xff, 0xe1), StubReturn)            // jmp *%rcx
	r = le.AppendUint64(le.AppendUint64(r, site+2), site) // STUB_RETURN, STUB_SITE
	r = le.AppendUint32(append(r, 0xb9), uint32(at))      // mov $at, %ecx
	r = append(r, 0xe9)                                   // jmp shim_dispatch
	r = le.AppendUint32(r, uint32(base+to-(at+uint64(len(r))+4)))
	r = pad(r, stubCounter)
	if b.Counting {
		r = le.AppendUint64(r, CountersOff+CounterRows*CounterRowSize+8*uint64(counter))
	}
	return Unit(r, site+2)
}

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
