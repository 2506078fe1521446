package supervisor

import (
	"encoding/binary"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/internal/early"
)

// caught are the signals of one relay.
type caught struct {
	fd  int // what is read
	old [signals]early.Action
	set [signals]bool
	// kept were read before the program ran, by who waits for its first image: a tracer's thread
	// does that while the relay runs already.
	mu   sync.Mutex
	kept []keptSignal
}

// keep puts a signal off for the relay.
func (c *caught) keep(sig unix.Signal, sender int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = append(c.kept, keptSignal{sig, sender})
}

// keeps reports whether there are signals that were put off.
func (c *caught) keeps() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.kept) > 0
}

// take returns the next signal that was kept, 0 if there is none.
func (c *caught) take() (k keptSignal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.kept) > 0 {
		k = c.kept[0]
		c.kept = c.kept[1:]
	}
	return k
}

type keptSignal struct {
	sig    unix.Signal
	sender int
}

// signals is one more than the highest signal's number (_NSIG, asm/signal.h).
const signals = 65

// catch begins to catch what relayed names.
func (c *caught) catch() error {
	early.Pipe = [2]int32{}
	return c.goOn()
}

// goOn is catch where there may be a pipe already.
func (c *caught) goOn() error {
	if early.Pipe == [2]int32{} {
		var pipe [2]int
		if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
			return err
		}
		early.Pipe = [2]int32{int32(pipe[0]), int32(pipe[1])}
	}
	c.fd = int(early.Pipe[0])
	ours := early.Ours()
	for s := unix.Signal(1); s < signals; s++ {
		if relayed(s) {
			c.set[s] = early.SetAction(int(s), &ours, &c.old[s])
			if c.old[s].Handler == ours.Handler {
				c.old[s] = early.Action{} // the starter's, behind which there is none of the runtime's
			}
		}
	}
	c.catchFaults()
	// By default it is dropped where it is sent (sig_task_ignored). A handler, which
	// would have nothing to do, interrupts each wait of a handoff, for 2 µs.
	c.set[unix.SIGCHLD] = early.SetAction(int(unix.SIGCHLD), &early.Action{}, &c.old[unix.SIGCHLD])
	return nil
}

// catchFaults begins to catch the signals of faults, where a process sends one: the runtime's
// handler takes that for a fault of ours, and ends us with a trace of our stacks.
func (c *caught) catchFaults() {
	ours := early.OursForFaults()
	for _, s := range faults {
		var now early.Action
		if !early.SetAction(int(s), nil, &now) || now.Handler <= 1 /* SIG_IGN */ || now.Handler == ours.Handler {
			continue
		}
		early.Faults = now.Handler // the same for all, before any of them is ours
		c.set[s] = early.SetAction(int(s), &ours, &c.old[s])
	}
}

// release gives the signals back to who had them before.
func (c *caught) release() {
	for s := range c.set {
		if c.set[s] {
			early.SetAction(s, &c.old[s], nil)
			c.set[s] = false
		}
	}
}

// theKernel is the sender of what the kernel sends of its own accord, as a terminal does.
const theKernel = -1

// read returns what was caught, one signal at a time, 0 if there is none.
func (c *caught) read() (sig unix.Signal, sender int) {
	var b [8]byte
	if n, err := unix.Read(c.fd, b[:]); err != nil || n != len(b) {
		return 0, 0
	}
	return unix.Signal(binary.NativeEndian.Uint32(b[:])), int(int32(binary.NativeEndian.Uint32(b[4:])))
}

// next is read for the relay: what was read before the program ran comes first.
func (c *caught) next() (sig unix.Signal, sender int) {
	if k := c.take(); k.sig != 0 {
		return k.sig, k.sender
	}
	return c.read()
}
