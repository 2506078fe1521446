// Package supervisor runs an unmodified program, and everything that it starts,
// with some of its system calls served in user space.
//
// # Mechanism
//
// A small guardian process (internal/guardian) forks the program's first
// process. That takes a seccomp filter with a listener and executes the program;
// the filter notifies every exec of the tree and every reflected call. At each
// exec the supervisor seizes the caller, lets the exec go on, and brings the
// shim (package vdsoshim) into the fresh image before its first instruction: the
// handoff. Then it lets go: in steady state nothing is ptraced, signals are
// native, and debuggers attach. Tracers, see below, are the exception.
//
// Where a command that was linked for it is given nothing but a program, all of this
// happens before the Go runtime begins, in C (internal/starter), and Start takes over a
// program that runs already.
//
// # Threads
//
// Receivers are goroutines locked to OS threads that block in
// SECCOMP_IOCTL_NOTIF_RECV. A receiver serves the call that it got; for an exec it
// carries the whole handoff through, since ptrace(2) ties a tracee to a thread,
// and another receiver is started first if none would be left. One goroutine
// follows the guardian. What receivers read is immutable or atomic.
//
// # Tracers
//
// Under the mechanisms ptrace and ptrace-all one locked thread is the tracer of the
// whole tree, from each thread's birth to its end; it serves stops, and hands images
// off. Receivers serve beside it what is notified, and let execs go on to it.
//
// # Patching
//
// A thread's second notification from one site makes the receiver that serves it
// patch the site (package patch), before it answers: the thread waits at the site, so
// the code can't go away. Where no memory for stubs is near enough, a thread that
// goes on asking is visited: attached to for one call of mmap.
//
// # Random bytes from a seed
//
// Under a plan with policy.Deterministic, getrandom is served from streams that
// follow from the seed and from how a process came to be: see docs/randomness.md.
// The supervisor sets AT_RANDOM at each exec, and in the value of AT_NULL, which
// nothing reads, a label by which processes that are forked later are known to
// belong to that program, whoever their parent is by then.
//
// # Generation
//
// A number in the control page tells generators of random bytes inside of the
// programs that they must begin anew. The guardian changes it, and Cmd.Reseed does:
// once a second where such a generator serves, when the machine was cloned or its
// clock jumps, and when it is asked to (package trees). Programs can only read it:
// the two mappings that can be written are older than the memory file's seal.
//
// # Ends
//
// When this process is killed, the guardian kills the tree; calls that wait get
// ENOSYS. When this process and the guardian are killed at once, nobody does.
//
// # Limits
//
// Linux on x86-64. Programs of other users, programs that have a tracer of their
// own when they execute, and 32-bit programs run without the shim; see
// Counters.Missed. A task can have one seccomp listener, so a reflected program
// can't reflect another.
//
// # Stability
//
// Cmd, its methods, State, Counters and the exported errors are stable: they grow
// but don't change. The text of errors and warnings, the order of Counters.Calls
// and the address of the shim are not.
package supervisor
