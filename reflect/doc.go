// Package reflect is what serves a system call in user space: the call itself,
// the memory of the program that made it, and the handlers that answer it.
//
// # A call and its answer
//
// A [Call] is a system call as it reached the kernel's entry; a [Handler] turns
// it into a [Result]: a value, an error, or Continue, which leaves the call to
// the kernel. The package knows nothing of mechanisms: a call may come from a
// seccomp notification, a trap or a tracer. [Builtin] has handlers for
// getrandom and the time calls that answer as the kernel does: the same checks
// in the same order, the same errors, the same bytes written before an error.
//
// [Seeded] serves getrandom with bytes that follow from a seed instead; [StreamKey]
// says how.
//
// # Memory
//
// [Process] and [ProcessMemory] read and write another process with
// process_vm_readv(2) and process_vm_writev(2), which respect page protection:
// what the program itself can't write, a handler can't write for it.
// /proc/PID/mem would. [Fake] is a Memory for tests.
//
// # Threads
//
// Everything exported is safe from several threads at once, [Fake] excepted
// where its documentation says so. A Call belongs to the goroutine that serves
// it. Handlers must not block: see [Handler].
//
// # Limits
//
//   - Memory that is mapped but that the kernel gives to nobody else (secret
//     memory, device memory), and a stack that has not grown yet, can't be
//     reached from outside: [ErrOutOfReach]. Builtin handlers then leave the
//     call to the kernel.
//   - Protection keys (pkeys(7)) are not seen: process_vm_writev ignores the
//     program's key register, so a page closed by key alone is written.
//   - A call is served for the x86-64 ABI only; handlers leave others to the
//     kernel.
package reflect
