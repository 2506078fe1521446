package early

// This file catches signals behind the runtime's back, for a command that hands them on.
//
// With os/signal each signal that is asked for costs two switches between threads
// (signal_enable in the runtime wakes a thread that changes its mask, and waits for it), a third
// of a millisecond for those that matter and more for all; sigaction alone costs a tenth of a
// microsecond. The runtime neither knows nor minds: it looks at its handlers when it installs
// them, and no more.

// An Action is the kernel's struct sigaction (asm/signal.h); the C library's differs.
type Action struct {
	Handler, Flags, Restorer uintptr
	Mask                     uint64
}

// Pipe is what the handler writes to, its end that is read first: a signal's number and its
// sender's process id, -1 for the kernel, 32 bits each. There is one a process, and it is
// never closed: a handler may be about to write to it. Zeros: it has yet to be made.
var Pipe [2]int32

// Ours is the action that writes to [Pipe].
func Ours() Action {
	const siginfo, restart, onStack, restorer = 0x4, 0x10000000, 0x08000000, 0x04000000 // SA_*
	a := Action{Flags: siginfo | restart | onStack | restorer, Mask: ^uint64(0)}
	a.Handler, _, a.Restorer = handlers()
	return a
}

// Faults is the runtime's handler of the signals that [OursForFaults] is for.
var Faults uintptr

// OursForFaults is the action that writes to [Pipe] what a process sent, and gives [Faults]
// what a fault is the cause of.
func OursForFaults() Action {
	a := Ours()
	_, a.Handler, _ = handlers()
	return a
}

// SetAction is rt_sigaction(2), and reports whether that succeeded.
func SetAction(sig int, action, old *Action) bool { return sigaction(sig, action, old) == 0 }

func handlers() (handler, fault, restorer uintptr)

//go:noescape
func sigaction(sig int, action, old *Action) (errno int)
