package supervisor

import (
	"runtime"
	"testing"
	"time"

	"github.com/sysreflect/sysreflect/reflect/patch"
)

// Calls wait while another has the turn, and come back when it ends, in their order.
func TestTurns(t *testing.T) {
	var q turns
	never := func(int) { t.Error("too late") }
	for range 2 {
		if err := q.take(&notification{id: 1}, never); err != nil {
			t.Fatal(err)
		}
		for id := uint64(2); id < 5; id++ {
			if err := q.take(&notification{id: id}, never); err != errTurn {
				t.Fatalf("call %d: %v", id, err)
			}
		}
		calls := q.pass()
		for i, c := range calls {
			if c.id != uint64(i+2) {
				t.Errorf("call %d is number %d", c.id, i)
			}
		}
		if len(calls) != 3 {
			t.Errorf("%d calls waited", len(calls))
		}
	}
	time.Sleep((turnLooks + 1) * turnLook) // for never
}

// Calls that wait too long are served, and after them none waits for that turn.
func TestTurnTooLong(t *testing.T) {
	runtime.LockOSThread() // it has the turn, and sleeps
	defer runtime.UnlockOSThread()
	var q turns
	var begun int
	late := make(chan []notification)
	expire := func(turn int) {
		if calls := q.expire(turn, func() { begun++ }); calls != nil {
			late <- calls
		}
	}
	q.take(&notification{id: 1}, expire)
	q.take(&notification{id: 2}, expire)
	q.take(&notification{id: 3}, expire)
	if calls := <-late; len(calls) != 2 || calls[0].id != 2 || calls[1].id != 3 || begun != 1 {
		t.Errorf("after a while %v wait, begun %d times", calls, begun)
	}
	if err := q.take(&notification{id: 4}, expire); err != patch.ErrBusy {
		t.Errorf("a call after that: %v", err)
	}
	if calls := q.pass(); calls != nil {
		t.Errorf("%v still wait", calls)
	}
	// What comes late for a turn that has ended finds nothing, and begins nothing.
	q.take(&notification{id: 5}, expire)
	q.take(&notification{id: 6}, expire)
	if calls := q.expire(1, func() { begun++ }); calls != nil || begun != 1 {
		t.Errorf("%v for the first turn", calls)
	}
	if calls := q.pass(); len(calls) != 1 || calls[0].id != 6 {
		t.Errorf("%v wait for the second", calls)
	}
}
