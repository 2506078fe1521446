package vdsoshim

import "testing"

// A process that is restored twice from one image, between two calls and at every
// instruction of one, repeats nothing once the generation has changed.
func TestRestoredTwice(t *testing.T) {
	for _, noDroppable := range []bool{false, true} {
		soaking(0.1/2, func() {
			t.Log(realSubject(t, bestBlockFunction().off, noDroppable).pass(t, "restore", everyth(60)))
		})
	}
}
