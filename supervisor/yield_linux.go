package supervisor

import (
	"runtime"
	"time"
)

// yieldAfter is how long a thread serves before it goes through Go's scheduler: less than
// the 10 ms after which the runtime takes a goroutine for one that runs too long
// (runtime.forcePreemptNS), with room for a call that comes late. It takes 8 µs, with the
// caller answered.
const yieldAfter = 5 * time.Millisecond

// yieldCalls is how many calls a loop serves at least before it yields: where they come
// seldom there is nothing to be had by it, and programs that make few at all need no threads for it.
const yieldCalls = 4

// A yielder is a loop of a thread that waits in the kernel for what it serves.
//
// To the runtime such a loop is one goroutine that has run since its beginning: calls
// don't count as the scheduler's turns (p.schedtick). After 10 ms sysmon takes the P from it at
// each look, and wakes for the next one 20 µs after the loop has found another P, so without
// end: two switches of threads each 70 µs while calls follow each other closely (6 µs
// become 9), and one or two for each call where they come every 100 µs (7 µs become 20).
type yielder struct {
	calls int
	last  time.Duration
}

var yieldEpoch = time.Now() // of a monotonic clock alone, which is half as long to read

// served is called when a caller has its answer.
func (y *yielder) served() {
	if y.calls++; y.calls < yieldCalls {
		return
	}
	if now := time.Since(yieldEpoch); now-y.last >= yieldAfter {
		*y = yielder{last: now}
		runtime.Gosched()
	}
}
