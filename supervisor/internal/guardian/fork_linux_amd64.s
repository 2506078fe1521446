#include "textflag.h"

// func fork(state, stack uintptr, mask *byte) (pid int)
//
// The child has no memory of Go's, so all that it needs is in registers. Signals
// are blocked, as their handlers are not there.
TEXT ·fork(SB), NOSPLIT, $96-32
	MOVQ state+0(FP), R12
	MOVQ stack+8(FP), R13
	MOVQ mask+16(FP), R9
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
	MOVL $17, DI
	XORL SI, SI
	XORL DX, DX
	XORL R10, R10
	XORL R8, R8
	SYSCALL
	TESTQ AX, AX
	JZ   child

parent:
	MOVQ AX, pid+24(FP)
	MOVL $14, AX
	MOVL $2, DI
	MOVQ mask+16(FP), SI
	XORL DX, DX
	MOVL $8, R10
	SYSCALL
	RET

child:
	MOVQ R12, R15
	MOVQ R13, SP
	MOVL BX, DI
	JMP  ·code(SB)
