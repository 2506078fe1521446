// Package patch rewrites system call instructions in running programs, so that
// they lead into the shim. What may be written is package site's business; this
// package finds the code in a process, a place for the stub, and writes.
//
// A patch is a cache over notification: a site that can't be patched, or whose
// code was mapped anew since, is notified as before. So nothing has to be taken
// back when code is unmapped: the jump goes with it, and a stub that no jump
// leads to is never executed.
//
// # In the process
//
// All that is known of a process's patches stands in its own memory: each area
// for stubs begins with the number of bytes in use. So a fork, which copies
// them, and an exec, which throws them away, need no bookkeeping here.
//
// Writes go through /proc/PID/mem, which reaches read-only pages (it copies
// them first, as for a debugger's breakpoint). The one store that makes a site
// jump lies within an aligned word of 8 bytes, so that a thread that executes
// the code meanwhile sees the old instruction or the new one.
//
// # Locks
//
// One patch is made at a time: they are rare, and two sites may share bytes.
// Nobody waits for another's patch, which may wait for a file system.
package patch
