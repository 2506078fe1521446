package vdsoshim

import (
	"strconv"
	"testing"
	"time"
)

// Every word that any thread of any process gets is another, whatever
// interrupts the calls.
func TestStress(t *testing.T) {
	length, bits := 500*time.Millisecond, 22
	if soak() != 0 {
		length, bits = time.Duration(float64(soak())*0.3/blocks()/2), 27
	}
	eachBlockFunction(t, func(t *testing.T, b blockFunction) {
		for _, noDroppable := range []bool{false, true} {
			if b != bestBlockFunction() && noDroppable && soak() == 0 {
				continue
			}
			t.Log(realSubject(t, b.off, noDroppable).pass(t, "stress",
				"millis="+strconv.FormatInt(length.Milliseconds(), 10), "tablebits="+strconv.Itoa(bits)))
		}
	})
}
