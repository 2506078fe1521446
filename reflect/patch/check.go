package patch

import (
	"bytes"
	"encoding/binary"

	"github.com/sysreflect/sysreflect/reflect/site"
)

// This file looks at what stands in a process before anything is written.

// untouched makes sure that the process has the code that was analyzed, and that
// padding is still that.
func (w *writer) untouched(patch site.Patch) error {
	want := w.plan.Code(patch, w.bias)
	have := make([]byte, len(want))
	if err := w.mem.read(patch.Keep.Start, have); err != nil {
		return err
	}
	if !bytes.Equal(have, want) {
		if w.leads(patch.Keep.Start, have) {
			return errPatched
		}
		return ErrModified
	}
	if at, want := w.plan.Window(w.bias); want != nil {
		have := make([]byte, len(want))
		if err := w.mem.read(at, have); err != nil {
			return err
		}
		if !bytes.Equal(have, want) {
			return ErrModified
		}
	}
	if w.followsShared(patch.Keep.Start) {
		return errTaken
	}
	for _, wr := range patch.Writes[:len(patch.Writes)-1] {
		have := make([]byte, len(wr.Old))
		if err := w.mem.read(wr.Addr, have); err != nil {
			return err
		}
		if !bytes.Equal(have, wr.Old) {
			return errTaken
		}
	}
	return nil
}

// followsShared tells whether the byte at an address may be the last of the jump of a
// site before it, whose operand goes on behind the `syscall` instruction.
func (w *writer) followsShared(addr uint64) bool {
	var before [6]byte
	if w.mem.read(addr-6, before[:]) != nil || before[4] != 0x0f || before[5] != 0x05 {
		return false
	}
	return before[2] == jmpRel || bytes.HasPrefix(before[:], jmpAbs)
}

// leads tells whether code is a jump into the areas.
func (w *writer) leads(addr uint64, code []byte) bool {
	for relayed := false; ; relayed = true {
		n := uint64(0)
		for n < uint64(len(code)) && (code[n] == padRel || code[n] == padAbs) {
			n++
		}
		rest := code[n:]
		switch {
		case len(rest) >= 5 && (rest[0] == jmpRel || rest[0] == callRel):
			return w.ours(addr + n + 5 + uint64(int64(int32(binary.LittleEndian.Uint32(rest[1:])))))
		case len(rest) >= 7 && bytes.HasPrefix(rest, jmpAbs):
			return w.ours(uint64(binary.LittleEndian.Uint32(rest[3:])))
		case len(rest) < 2 || rest[0] != jmpShort || relayed:
			return false
		}
		addr += n + 2 + uint64(int64(int8(rest[1])))
		code = make([]byte, 7)
		if w.mem.read(addr, code) != nil {
			return false
		}
	}
}

// The jumps that package site makes.
const (
	padRel, padAbs   = 0x2e, 0x3e
	jmpRel, jmpShort = 0xe9, 0xeb
	callRel          = 0xe8
)

var jmpAbs = []byte{0xff, 0x24, 0x25}

func (w *writer) ours(addr uint64) bool {
	for i := range w.areas {
		if w.areas[i].contains(addr) {
			return true
		}
	}
	return false
}
