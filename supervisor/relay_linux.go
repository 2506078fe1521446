package supervisor

import (
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/supervisor/internal/guardian"
)

// A relay hands the signals that the supervisor gets on to the program.
//
// The terminal's signals, and those sent to a process group, reach the program
// without us. The guardian stands in the same group with everything blocked and
// tells what it got, so a signal that it got too is not sent twice.
type relay struct {
	mu       sync.Mutex
	caught   *caught                   // nil before the guardian is there, and where nothing is relayed
	sight    map[unix.Signal]time.Time // when the guardian last had it
	active   bool
	wide     bool    // GOMAXPROCS is set; await's own
	monitor  monitor // calm until the program has run for a while
	deciding int     // signals that forward has not made up its mind about
}

// groupWindow is how far apart two processes of a group may learn of one signal:
// the kernel sends to all of them in one loop, but each must be scheduled.
const groupWindow = 50 * time.Millisecond

// Relay hands signals that this process gets on to the program's first process,
// and stops this process when that one is stopped (Ctrl-Z). It sets GOMAXPROCS to 4 at
// least. It is what a command that stands for the program wants; a program that embeds this package and has
// signals of its own does not: they are caught behind the back of os/signal, from
// Start until StopRelay. Of several Cmds only the last one started gets them. Call
// it before Start.
func (c *Cmd) Relay() {
	c.relay.active = true
	c.relay.sight = map[unix.Signal]time.Time{}
}

// patience is how long await waits, in milliseconds: for ever, but for the first time,
// when it waits longer than the shortest programs run, on a busy machine too.
func (r *relay) patience() int {
	if r.wide {
		return -1
	}
	return 3
}

// widen lets four threads run Go code. One that waits for notifications keeps the
// runtime's leave to do so (a P), and with fewer of those than threads, one that wakes
// waits until another's is taken away: 40 µs a call. That stops the world once, so a
// program that ends within some milliseconds does without.
func (r *relay) widen() {
	r.wide = true
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), 4))
}

// StopRelay gives signals back to os/signal.
func (c *Cmd) StopRelay() {
	if c.relay.caught != nil {
		c.relay.caught.release()
	}
}

// relayed reports whether a signal can be caught and means something to a program.
func relayed(s unix.Signal) bool {
	switch s {
	case unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGURG, unix.SIGPIPE, // SIGURG is the Go runtime's
		unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGSYS, // see faults
		unix.SIGPROF, 32, 33, 34: // the C libraries'
		return false
	}
	return true
}

// faults are relayed too, but for those that are faults of this process.
var faults = [...]unix.Signal{unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGSYS}

// await waits for the guardian's next message, and has those signals relayed that
// come meanwhile.
func (c *Cmd) await() {
	r := c.relay.caught
	if r == nil {
		return
	}
	if r.keeps() {
		c.relayCaught()
	}
	p := []unix.PollFd{{Fd: int32(c.keeper.conn), Events: unix.POLLIN}, {Fd: int32(r.fd), Events: unix.POLLIN}}
	for {
		c.rest()
		n, err := unix.Poll(p, c.relay.patience())
		if err == unix.EINTR {
			continue
		}
		if n == 0 {
			c.relay.monitor.release()
			c.relay.widen()
			c.run.region.fold()
		}
		c.relayCaught()
		if p[0].Revents != 0 {
			return
		}
	}
}

// relayCaught relays what was caught until now.
func (c *Cmd) relayCaught() {
	for {
		sig, sender := c.relay.caught.next()
		if sig == 0 {
			return
		}
		switch {
		case sender == unix.Getpid(): // SIGXFSZ for a write of our own, see beyondFileSize
		case sig == unix.SIGCONT:
			if sender != c.keeper.pid { // it is for us alone
				c.lend(c.resting.had)
				c.keeper.send(guardian.CommandContinue)
			}
		case sig == unix.SIGTSTP:
			c.keeper.send(guardian.CommandStop)
		default:
			c.relay.decide(1)
			go c.forward(sig, sender)
		}
	}
}

func (c *Cmd) forward(sig unix.Signal, sender int) {
	defer c.relay.decide(-1)
	if sig == unix.SIGTTIN || sig == unix.SIGTTOU {
		return // the terminal's, for the whole group; caught so that we stop after the program
	}
	// A key goes to the whole group (isig), however late the guardian may be to tell.
	key := sender == theKernel && (sig == unix.SIGINT || sig == unix.SIGQUIT)
	if c.relay.wholeGroup(sig) || key {
		if c.ledAway() {
			unix.Kill(-c.pid, sig)
		}
		if c.mistaken(sig, sender) {
			c.goOn()
		}
		return
	}
	select {
	case <-c.exited: // its id may be another's by now
	default:
		unix.Kill(c.pid, sig)
	}
}

// mistaken reports whether a shell ends a stopped job that it takes for a running one, since it
// has seen us go on for a call: else it would continue it, too.
func (c *Cmd) mistaken(sig unix.Signal, sender int) bool {
	return (sig == unix.SIGTERM || sig == unix.SIGHUP) && sender == unix.Getppid() && sender == mySession() && isStopped(c.pid)
}

// mySession is the id of this process's session.
func mySession() int {
	session, _ := unix.Getsid(0)
	return session
}

// wholeGroup reports whether the guardian got sig too, at about this time.
func (r *relay) wholeGroup(sig unix.Signal) bool {
	deadline := time.Now().Add(groupWindow)
	for {
		r.mu.Lock()
		at, ok := r.sight[sig]
		if ok && time.Since(at) < 2*groupWindow {
			delete(r.sight, sig)
			r.mu.Unlock()
			return true
		}
		r.mu.Unlock()
		left := time.Until(deadline)
		if left <= 0 {
			return false
		}
		time.Sleep(min(left, time.Millisecond))
	}
}

func (r *relay) decide(n int) {
	r.mu.Lock()
	r.deciding += n
	r.mu.Unlock()
}

// sighted notes that the guardian got a signal.
func (r *relay) sighted(sig unix.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.active {
		r.sight[sig] = time.Now()
	}
}
