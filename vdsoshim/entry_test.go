package vdsoshim

import (
	"strconv"
	"testing"
)

// Both entries leave alone what they must: every register, with the system call
// instruction beside the entry that stands in for it, and the stack.
func TestEntries(t *testing.T) {
	const lengths = 1000
	eachBlockFunction(t, func(t *testing.T, b blockFunction) {
		states := 0xe7 // of xsave: x87, SSE, AVX, mask registers, both parts of zmm
		if b.off == ChachaAvx2Off {
			states = 7 // it is for machines without zmm registers
		}
		for _, noDroppable := range []bool{false, true} {
			realSubject(t, b.off, noDroppable).pass(t, "entry", "lengths="+strconv.Itoa(lengths), "states="+strconv.Itoa(states))
		}
	})
}
