package reflect

import "golang.org/x/sys/unix"

// A Call is one system call of the program, as it reached the kernel's entry.
// It is valid until the handler returns.
type Call struct {
	Nr   int32     // system call number
	Arch uint32    // AUDIT_ARCH_*, linux/audit.h
	IP   uint64    // address after the instruction that made the call
	Args [6]uint64 // rdi, rsi, rdx, r10, r8, r9
	TID  int       // calling thread, in the supervisor's pid namespace; 0 if outside it
	Mem  Memory    // the calling process's memory
}

// A Result is what the program gets.
type Result struct {
	Value    int64      // return value, if Errno is 0 and Continue is false
	Errno    unix.Errno // error, returned to the program as -Errno
	Continue bool       // leave the call to the kernel, after all
}

// A Handler serves a call in user space. It must not block: while it runs, the
// calling thread can be neither stopped nor attached to. It is called from
// several threads at once.
type Handler interface {
	Serve(c *Call) Result
}

// A HandlerFunc is a function as Handler.
type HandlerFunc func(c *Call) Result

// Serve calls f.
func (f HandlerFunc) Serve(c *Call) Result { return f(c) }

// leave is the answer of a handler that can't give the kernel's.
var leave = Result{Continue: true}
