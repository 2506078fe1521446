package supervisor

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/supervisor/internal/guardian"
)

// awaitExec returns when the program runs or could not be executed.
func (c *Cmd) awaitExec() error {
	select {
	case <-c.run.ran:
	case <-c.exited:
		select {
		case <-c.run.ran: // and ended at once
		default:
			c.copies.abandon()
			<-c.empty
			if c.failure != nil {
				return c.failure
			}
			return &ExecError{c.Path, fmt.Errorf("killed before it ran: %w", &ExitError{c.State})}
		}
	}
	c.copies.started()
	return nil
}

// watch follows the guardian's messages until the tree is gone, or, where Wait itself
// does it, until that may return: then another goroutine goes on.
func (c *Cmd) watch() {
	end := func(s *State, failure error) {
		if !c.ended {
			c.ended = true
			c.State, c.failure = s, failure
			close(c.exited)
			if c.left {
				close(c.waited)
			}
		}
	}
	for more := true; more; {
		if c.inline && c.ended {
			c.inline = false
			c.relay.monitor.release()
			go c.watch()
			return
		}
		c.await()
		m, fd, err := c.keeper.receive()
		if fd >= 0 {
			unix.Close(fd)
		}
		if err != nil {
			// Where nothing is left that is how it ends. Where it was killed, with
			// nobody to adopt and kill what remains, do what can be done.
			if !c.ended {
				unix.Kill(c.pid, unix.SIGKILL)
			}
			end(&State{}, err)
			break
		}
		switch m.Type {
		case guardian.Exit:
			c.resting.goesOn()
			c.left = m.Detail != 0
			end(&State{unix.WaitStatus(m.Status), m.Rusage}, nil)
			more = c.left
		case guardian.ExecFailed:
			if m.Detail != 0 {
				end(&State{}, startError(guardian.Step(m.Detail), unix.Errno(m.Status)))
			} else {
				end(&State{}, &ExecError{c.Path, unix.Errno(m.Status)})
			}
			more = false
		case guardian.Stop:
			c.resting.goesOn()
			if c.relay.active {
				c.resting.begin(unix.WaitStatus(m.Status).StopSignal(), c.pid)
			}
		case guardian.Continue:
			c.resting.goesOn()
		case guardian.Signal:
			c.relay.sighted(unix.Signal(m.Status))
		}
	}
	c.keeper.collect()
	if !c.left {
		close(c.waited) // no zombie is left either, in containers where nobody reaps
	}
	if c.inline {
		c.unfinished = true // nobody may ask, and to start a goroutine wakes a thread
		return
	}
	runtime.Gosched() // likewise
	c.finish()
}

// finishNow is for who waits for c.empty: it does what watch left undone.
func (c *Cmd) finishNow() {
	if c.unfinished {
		c.unfinished = false
		c.finish()
	}
}

// finish releases what the run holds, once no process is left.
func (c *Cmd) finish() {
	c.keeper.space.Release()
	c.run.final.Store(ptr(c.run.counters()))
	c.run.stop()
	close(c.empty)
}
