package supervisor

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// caught are the signals of one relay, caught by a handler of our own. With
// os/signal each signal that is asked for costs two switches between threads
// (signal_enable in the runtime wakes a thread that changes its mask, and waits
// for it), a third of a millisecond for those that matter and more for all;
// sigaction alone costs a tenth of a microsecond.
//
// The runtime neither knows nor minds: it looks at its handlers when it installs
// them, and no more.
type caught struct {
	fd  int // what is read: pairs of 32-bit words, a signal's number and its sender
	old [signals]sigaction
	set [signals]bool
}

// signals is one more than the highest signal's number (_NSIG, asm/signal.h).
const signals = 65

// sigaction is the kernel's (asm/signal.h); the C library's differs.
type sigaction struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

// caughtFD is the pipe that the handler writes to. There is one a process, and it
// is never closed: a handler may be about to write to it.
var caughtFD int32 //lint:ignore U1000 the handler reads it

func handlers() (handler, restorer uintptr)

// catch begins to catch what relayed names.
func (c *caught) catch() error {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return err
	}
	c.fd = pipe[0]
	caughtFD = int32(pipe[1])
	const siginfo, restart, onStack, restorer = 0x4, 0x10000000, 0x08000000, 0x04000000 // SA_*
	ours := sigaction{flags: siginfo | restart | onStack | restorer, mask: ^uint64(0)}
	ours.handler, ours.restorer = handlers()
	for s := unix.Signal(1); s < signals; s++ {
		if relayed(s) {
			c.set[s] = setAction(s, &ours, &c.old[s])
		}
	}
	// By default it is dropped where it is sent (sig_task_ignored). A handler, which
	// would have nothing to do, interrupts each wait of a handoff, for 2 µs.
	c.set[unix.SIGCHLD] = setAction(unix.SIGCHLD, &sigaction{}, &c.old[unix.SIGCHLD])
	return nil
}

// release gives the signals back to who had them before.
func (c *caught) release() {
	for s := range c.set {
		if c.set[s] {
			setAction(unix.Signal(s), &c.old[s], nil)
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

// setAction is rt_sigaction(2) behind the runtime's back.
func setAction(sig unix.Signal, action, old *sigaction) bool {
	_, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig),
		uintptr(unsafe.Pointer(action)), uintptr(unsafe.Pointer(old)), unsafe.Sizeof(action.mask), 0, 0)
	return e == 0
}
