package supervisor

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestGate: nobody is inside while the gate is closed, newcomers keep nobody from closing
// it, and one who stays inside does so for a while only.
func TestGate(t *testing.T) {
	var g gate
	var inside atomic.Int32
	var over atomic.Bool
	var done sync.WaitGroup
	for range 4 { // there is always one inside
		done.Go(func() {
			for !over.Load() {
				g.enter(func() {})
				inside.Add(1)
				time.Sleep(200 * time.Microsecond)
				inside.Add(-1)
				g.leave()
			}
		})
	}
	for range 100 {
		if !g.close(10 * time.Second) {
			t.Fatal("not closed in ten seconds")
		}
		if n := inside.Load(); n != 0 {
			t.Errorf("%d inside", n)
		}
		time.Sleep(300 * time.Microsecond)
		if n := inside.Load(); n != 0 {
			t.Errorf("%d have entered", n)
		}
		g.open()
	}
	over.Store(true)
	done.Wait()
	g.enter(func() {})
	entered := make(chan struct{})
	go func() {
		for closed := false; !closed; time.Sleep(time.Millisecond) {
			g.mu.Lock()
			closed = g.closed
			g.mu.Unlock()
		}
		g.enter(func() {}) // waits, until who closes gives up
		close(entered)
	}()
	if g.close(50 * time.Millisecond) {
		t.Error("closed with one inside")
	}
	<-entered
}
