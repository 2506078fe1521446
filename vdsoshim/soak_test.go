package vdsoshim

import (
	"os"
	"strconv"
	"time"
)

// soak is how long the tests of the generator go on together, from SOAK=10m in the
// environment ("make soak"), or 0 for their short form.
func soak() time.Duration {
	d, _ := time.ParseDuration(os.Getenv("SOAK"))
	return d
}

// soaking calls a test's short form, with other random numbers each time, until its
// part of a soak is over; once where there is none.
func soaking(part float64, short func()) {
	for end := time.Now().Add(time.Duration(part * float64(soak()))); ; {
		short()
		if !time.Now().Before(end) {
			return
		}
	}
}

// blocks is how many block functions a soak is shared by.
func blocks() float64 {
	n := 0.0
	for _, b := range blockFunctions {
		if b.usable {
			n++
		}
	}
	return n
}

// everyth makes the harness try every nth instruction or so, from a random one on;
// fewer in a soak, so that a short one has a turn of all.
func everyth(n int) string {
	if soak() != 0 {
		n *= 4
	}
	return "every=" + strconv.Itoa(n)
}
