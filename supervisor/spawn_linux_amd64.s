#include "go_asm.h"
#include "textflag.h"

// func clone(s *spawning) (pid int)
//
// The child runs here in the memory of its parent, which goes on: it uses no stack,
// no Go and no thread-local storage, and gets no signal.
TEXT ·clone(SB), NOSPLIT, $0-16
	MOVQ s+0(FP), R12
	MOVL $14, AX // rt_sigprocmask
	MOVL $2, DI  // SIG_SETMASK
	LEAQ spawning_masks(R12), SI
	LEAQ (spawning_masks+8)(R12), DX
	MOVL $8, R10
	SYSCALL
	MOVL $56, AX    // clone
	MOVL $0x111, DI // CLONE_VM | SIGCHLD
	XORL SI, SI
	XORL DX, DX
	XORL R10, R10
	XORL R8, R8
	SYSCALL
	TESTQ AX, AX
	JZ   child
	MOVQ AX, R13
	MOVL $14, AX
	MOVL $2, DI
	LEAQ (spawning_masks+8)(R12), SI
	XORL DX, DX
	MOVL $8, R10
	SYSCALL
	MOVQ R13, pid+8(FP)
	RET

child:
	MOVQ spawning_next(R12), R13

next:
	MOVQ 0(R13), AX
	MOVQ 8(R13), DI
	MOVQ 16(R13), SI
	MOVQ 24(R13), DX
	MOVQ 32(R13), R10
	MOVQ 40(R13), R8
	SYSCALL
	CMPQ AX, $-4095
	JCC  failed
	ADDQ $48, R13
	JMP  next

failed:
	// The last call is an execve, which only comes back with an error.
	MOVQ R13, spawning_next(R12)
	NEGQ AX
	XCHGQ AX, spawning_errno(R12)
	MOVL $60, AX // exit
	MOVL $127, DI
	SYSCALL
	INT  $3
