// Package vdsoshim is the image that is mapped into every program: a vDSO of
// our own, and a parser for images of that kind.
//
// # The image
//
// The kernel maps a small ELF image, the vDSO, into each program and tells it
// the address in the auxiliary vector (AT_SYSINFO_EHDR, getauxval(3), vdso(7)).
// C libraries and Go's runtime look functions up in it by name and version and
// call them in place of system calls. Ours stands beside the kernel's and
// takes its place in that vector. It exports whatever the running kernel's
// exports; each function is the shim's own, a stub that makes the real system
// call, or a forwarder that jumps to the kernel's function (see [Binding]).
//
// The image is built from C and assembly in shim/ by go generate and committed,
// with the places of what it contains as generated constants. [Complete] makes
// a copy that fits the running kernel: it writes the symbol tables anew into
// the room that they have, and a plan of where each forwarder leads.
//
// # The region
//
// A program's region begins at one address a run ([Base]), the same in every
// program, because the seccomp filter knows the gate by its address:
//
//	0            the image, private mapping of the run's memory file, R-X
//	ControlOff   control page, shared mapping of the same file, R--: the
//	             generation, 8 bytes, never 0, exported as [Generation]; the
//	             rest is reserved
//	LinkOff      link page, private: where each forwarder leads, absolute, and
//	             where memory for stubs is; R-- after the handoff, though the
//	             supervisor notes there what was mapped for stubs later
//	CountersOff  with counting only: shared mapping of the counters' file, RW-;
//	             CounterRows rows of 512 counters of 8 bytes, row = CPU modulo rows:
//	             the vDSO's functions, then from 16 on patched calls by number;
//	             behind them CounterSites counters of sites
//	             and from CounterTraps on those of rules that the handler of SIGSYS serves
//	SigsysOff    with [Sigsys] only: what that handler keeps, private, RW-, see shim/sigsys.h
//	SlotsOff     with the generator only: its slots, private, RW-: locks and what
//	             a call saves of its caller, nothing secret
//	StubsOff     with patching only: code that patched sites lead to, R-X
//	KernelOff    the kernel's vDSO, behind its data, moved here if that is possible
//	             (Options.Data)
//	RegionSize   end
//
// With the generator there is elsewhere, at a place that the kernel chooses and the link
// page holds, a page for each slot, which the kernel may drop (MAP_DROPPABLE), and
// wipes at a fork, RW-.
//
// In the memory file image and control page have the same offsets, and a
// user's own vDSO image stands at UserOff.
//
// # The gate
//
// At GateOff stands the one system call instruction that the filter exempts;
// the filter sees GateOff+2. It returns to the address in rbx and uses no
// stack. Stubs make their calls elsewhere, so that the filter sees them.
//
// Where a handler of SIGSYS serves calls ([Sigsys]) it makes others from exits behind the
// gate, up to ExitsEnd, which are exempt too; those behind that, up to ExitsOff +
// ExitsSize, are not. Dispatch lets through all of them and the stubs.
//
// # The handoff routine
//
// HandoffOff is entered by the supervisor in a freshly executed program, with
// all signals blocked and the image mapped:
//
//	rdi  descriptor of the memory file
//	rsi  descriptor of the counters, or -1
//	rdx  initial stack pointer: the address of argc
//	r8   address of a struct prctl_mm_map, or 0: its auxv and auxv_size are
//	     filled in, PR_SET_MM_MAP is called, and it is wiped
//	r9   length in bytes of the user's own vDSO image, or 0: it is mapped over
//	     the kernel's, and the auxiliary vector stays as it is; the mapping is
//	     as long as the longer of both
//	r10  number of the final system call, execve or execveat; bit 32: don't arm
//	     dispatch, since calls from elsewhere follow
//
// It uses no stack and no memory of the program, and no vector register. It
// ends with the final system call through the gate, which is harmless where
// nobody catches it (EFAULT), and an undefined instruction behind it:
//
//	rdi  0, or -errno of what failed
//	rsi  StepDone, or the step that failed; the auxiliary vector is then
//	     untouched, while the mappings made so far stay
//	rdx  address of the kernel's vDSO
//	r8   what prctl returned, 0 if it wasn't called
//
// Both descriptors are closed, whatever happens.
//
// # The generator
//
// getrandom is served from 128 slots that all threads of the program share, see
// shim/generator.S; there is no state for each thread, and what callers hand in as
// one is only checked. A program that leaves a slot in the middle of a call (a
// siglongjmp out of a signal handler, a fork while another thread is in one) has
// lost that slot for good; when four in a row are taken, the call is a system call.
//
// Its key stream comes from one of three block functions, see shim/chacha.h, that
// [Best] chooses for the processor; [Runner] runs them in this process.
//
// # Limits
//
// While a program is inside one of the kernel's own functions, debuggers and
// unwinders that find unwind tables by AT_SYSINFO_EHDR or through the loader's
// list have none for that frame: the kernel's image is mapped, but no longer
// the one that is announced.
//
// A signal that arrives in a block function puts key material on the program's
// stack, in the frame that the kernel makes of all registers, as with any cipher
// in user space.
//
// A getrandom that is redirected to the image returns EFAULT like the system call,
// but for a page that it wrote to a moment ago and that was unmapped or protected
// since: that is the program's SIGSEGV until the slot's batch is used up.
//
// x86-64 only. A symbol that is data is exported as a copy of the kernel's
// bytes, but for [Generation], which lies behind the image's segment. The counting
// entries change rax, r10, r11 and the flags, which the C calling convention
// allows, so only functions known to follow it are counted.
//
// Everything here is safe for concurrent use: images are immutable once made.
package vdsoshim
