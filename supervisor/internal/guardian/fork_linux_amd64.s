#include "textflag.h"

// func fork(state, stack uintptr, mask *byte, gaps *gap) (pid int)
//
// The child has no memory of Go's, so all that it needs is in registers. Signals
// are blocked, as their handlers are not there.
TEXT ·fork(SB), NOSPLIT, $96-40
	MOVQ state+0(FP), R12
	MOVQ stack+8(FP), R13
	MOVQ mask+16(FP), R9
	MOVQ gaps+24(FP), R14
	MOVQ $-1, AX
	MOVQ AX, all-8(SP)
	MOVL $14, AX // rt_sigprocmask
	MOVL $2, DI  // SIG_SETMASK
	LEAQ all-8(SP), SI
	MOVQ R9, DX
	MOVL $8, R10
	SYSCALL

	// struct clone_args as of Linux 5.5. An old kernel or a container's profile that
	// does not know clone3 gives an error.
	XORL AX, AX
	MOVQ AX, 8(SP)
	MOVQ AX, 16(SP)
	MOVQ AX, 24(SP)
	MOVQ AX, 40(SP)
	MOVQ AX, 48(SP)
	MOVQ AX, 56(SP)
	MOVQ $0x100000000, AX // CLONE_CLEAR_SIGHAND
	MOVQ AX, 0(SP)
	MOVQ $17, 32(SP) // SIGCHLD
	TESTQ R14, R14
	JZ   direct

	// A process between, which has this one's memory and stack while this one waits,
	// and so no restartable sequences (rseq_fork). What it forks is this one's child.
	MOVL $56, AX     // clone
	MOVL $0x4711, DI // CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_VFORK, SIGCHLD
	XORL SI, SI
	XORL DX, DX
	XORL R10, R10
	XORL R8, R8
	SYSCALL
	TESTQ AX, AX
	JZ   between
	JG   reap
	MOVQ AX, pid+32(FP)
	JMP  unblock

reap:
	MOVQ AX, DI
	MOVL $61, AX // wait4
	XORL SI, SI
	MOVL $0x40000000, DX // __WALL
	XORL R10, R10
	SYSCALL
	JMP  unblock

between:
	MOVQ $0x100008000, AX // with CLONE_PARENT, and the signal that goes with it
	MOVQ AX, 0(SP)
	MOVQ $0, 32(SP)

direct:
	MOVL $1, BX
	MOVL $435, AX // clone3
	MOVQ SP, DI
	MOVL $64, SI
	SYSCALL
	TESTQ AX, AX
	JZ   child
	JG   parent
	XORL BX, BX
	MOVL $56, AX // clone
	MOVL 0(SP), DI
	ORL  $17, DI
	XORL SI, SI
	XORL DX, DX
	XORL R10, R10
	XORL R8, R8
	SYSCALL
	TESTQ AX, AX
	JZ   child

parent:
	MOVQ AX, pid+32(FP)
	TESTQ R14, R14
	JZ   unblock
	MOVL $60, AX // exit, of the process between
	XORL DI, DI
	SYSCALL

unblock:
	MOVL $14, AX
	MOVL $2, DI
	MOVQ mask+16(FP), SI
	XORL DX, DX
	MOVL $8, R10
	SYSCALL
	RET

child:
	TESTQ R14, R14
	JZ   begin

unmap:
	MOVQ 0(R14), DI
	MOVQ 8(R14), SI
	TESTQ SI, SI
	JZ   begin
	MOVL $11, AX // munmap
	SYSCALL
	ADDQ $16, R14
	JMP  unmap

begin:
	MOVQ R12, R15
	MOVQ R13, SP
	MOVL BX, DI
	JMP  ·code(SB)
