package supervisor

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sysreflect/sysreflect/policy"
)

// Receivers lead in turn, hand on and come back: at any time there is one at least that leads
// or was asked to, and never more than two.
func TestLead(t *testing.T) {
	const (
		most  = 6
		turns = 100000
	)
	var (
		l              lead
		alive, leading atomic.Int32
		atOnce         atomic.Int32
		taken          atomic.Int64
		over           atomic.Bool
		done           sync.WaitGroup
		receive        func()
	)
	l.spawn = func() bool {
		if alive.Add(1) > most {
			alive.Add(-1)
			return false
		}
		done.Add(1)
		go receive()
		return true
	}
	receive = func() {
		defer done.Done()
		defer alive.Add(-1)
		for leads := true; leads || l.join() || l.follow(over.Load); {
			if n := leading.Add(1); n > atOnce.Load() {
				atOnce.Store(n)
			}
			turn := taken.Add(1)
			if turn%3 == 0 {
				runtime.Gosched()
			}
			leading.Add(-1)
			switch {
			case turn > turns:
				over.Store(true)
				l.stir()
				return
			case turn%100 == 0:
				l.exec()
				l.handOn()
				leads = false
			case turn%13 == 0:
				l.handOn()
				leads = false
			default:
				leads = l.called(uint32(1 + turn/50%2))
			}
		}
	}
	l.spawn()
	finished := make(chan struct{})
	go func() { done.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-time.After(time.Minute):
		t.Fatalf("after %d turns nobody leads", taken.Load())
	}
	if n := atOnce.Load(); n > 2 {
		t.Errorf("%d led at once", n)
	}
}

// One who leads and is stuck in a call leads no longer, and one who is not, does. It is looked
// here, not by the clock, so that a busy machine is not taken for somebody who is stuck.
func TestLeadIsTakenFromWhoIsStuck(t *testing.T) {
	handed := 0
	l := lead{spawn: func() bool { handed++; return true }, timer: time.AfterFunc(time.Hour, func() {})}
	defer l.timer.Stop()
	l.watched.Store(true)
	l.look()
	for range 3 {
		m := l.begin()
		l.look()
		if !l.end(m) {
			t.Fatal("taken from one who has just begun")
		}
	}
	n := l.begin()
	l.look()
	l.look()
	if handed != 1 || l.slow.Load() != 1 {
		t.Errorf("handed on %d times by one who is stuck, and %d are", handed, l.slow.Load())
	}
	m := l.begin() // another leads
	l.look()
	if l.end(n) {
		t.Error("who was stuck still leads")
	}
	if l.slow.Load() != 0 {
		t.Error("it is never over")
	}
	if !l.end(m) {
		t.Error("who took it over leads no more")
	}
	for range leadQuiet + 1 {
		l.look()
	}
	if l.watched.Load() {
		t.Error("it is looked for ever, though nothing is called")
	}
	if !l.begin().end() || !l.watched.Load() {
		t.Error("nobody looks after a pause")
	}
	if handed != 1 {
		t.Errorf("handed on %d times, want once", handed)
	}
}

// The clock has it looked.
func TestLeadIsWatched(t *testing.T) {
	handed := make(chan bool, 1)
	l := lead{spawn: func() bool { handed <- true; return true }}
	m := l.begin()
	select {
	case <-handed:
	case <-time.After(time.Minute):
		t.Error("it is not taken from one who is stuck")
	}
	l.end(m)
}

// Where one of two stops, since all is about to end, the other has an exec to serve, for which it
// needs another.
func TestLeadResigns(t *testing.T) {
	spawned := 0
	l := lead{spawn: func() bool { spawned++; return true }}
	l.exec()
	if !l.join() || l.join() {
		t.Fatal("want two who lead")
	}
	l.resign()
	if l.handOn(); spawned != 1 {
		t.Errorf("%d were started, want 1", spawned)
	}
	l.resign()
	if !l.follow(func() bool { return true }) {
		t.Error("nobody leads, and nobody may")
	}
}

// Whoever is to read a warning may wait for the warner, so that one does not lead.
func TestWarnerDoesNotLead(t *testing.T) {
	r := newRun(&policy.Plan{})
	var spawned, told int
	r.lead.spawn = func() bool { spawned++; return true }
	s := newServer(r)
	s.leads = true
	r.warn = func(string) {
		if told++; s.leads || spawned != 1 {
			t.Errorf("%d were started to lead", spawned)
		}
	}
	for range 3 {
		s.miss("reason", "example")
	}
	if told != 1 {
		t.Errorf("warned %d times, want once", told)
	}
}
