package supervisor

import (
	"sync"
	"time"
)

// A gate keeps newcomers out for a while: a lock for readers and a writer, of which the writer
// may give up.
type gate struct {
	mu     sync.Mutex
	change sync.Cond // of what follows; its L is mu, once somebody waits
	inside int
	closed bool
}

// enter waits while the gate is closed. Before that waits is called.
func (g *gate) enter(waits func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		g.mu.Unlock()
		waits()
		g.mu.Lock()
	}
	for g.closed {
		g.wait()
	}
	g.inside++
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside == 0 {
		g.change.Broadcast()
	}
}

// close closes the gate and waits until nobody is inside. After the patience it opens it again,
// and reports false: who is inside may wait for who is not.
func (g *gate) close(patience time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	tired := false
	t := time.AfterFunc(patience, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		tired = true
		g.change.Broadcast()
	})
	defer t.Stop()
	for g.inside > 0 && !tired {
		g.wait()
	}
	if g.inside > 0 {
		g.closed = false
		g.change.Broadcast()
	}
	return g.closed
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = false
	g.change.Broadcast()
}

// wait waits for a change; mu is held.
func (g *gate) wait() {
	g.change.L = &g.mu
	g.change.Wait()
}
