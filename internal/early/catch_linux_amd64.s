#include "textflag.h"

// onSignal is a handler of signals. The kernel calls it, on the
// alternate stack of whichever thread, with the signal's number in DI and its
// siginfo at SI; what it changes in registers is restored by rt_sigreturn. It
// writes the number and the sender (si_pid, -1 for SI_KERNEL) into the pipe.
TEXT ·onSignal(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	SUBQ $8, SP
	MOVL DI, 0(SP)
	MOVL 16(SI), AX
	CMPL 8(SI), $0x80 // si_code
	JNE  sent
	MOVL $-1, AX
sent:
	MOVL AX, 4(SP)
	MOVL ·Pipe+4(SB), DI
	MOVQ SP, SI
	MOVL $8, DX
	MOVL $1, AX // write; a pipe that is full loses the signal, as os/signal does
	SYSCALL
	ADDQ $8, SP
	RET

// onFault is the handler of signals by which the processor tells the runtime of faults. Those
// have a si_code above 0, and go to the runtime's handler; what a process sent has not.
TEXT ·onFault(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	CMPL 8(SI), $0
	JGT  fault
	JMP  ·onSignal(SB)
fault:
	MOVQ ·Faults(SB), AX
	JMP  AX

// signalReturn is where the handler returns to (sa_restorer).
TEXT ·signalReturn(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVQ $15, AX // rt_sigreturn
	SYSCALL
	INT  $3

// func handlers() (handler, fault, restorer uintptr)
TEXT ·handlers(SB), NOSPLIT, $0-24
	LEAQ ·onSignal(SB), AX
	MOVQ AX, handler+0(FP)
	LEAQ ·onFault(SB), AX
	MOVQ AX, fault+8(FP)
	LEAQ ·signalReturn(SB), AX
	MOVQ AX, restorer+16(FP)
	RET

// func sigaction(sig int, action, old *Action) (errno int)
TEXT ·sigaction(SB), NOSPLIT, $0-32
	MOVL $13, AX // rt_sigaction
	MOVQ sig+0(FP), DI
	MOVQ action+8(FP), SI
	MOVQ old+16(FP), DX
	MOVL $8, R10
	SYSCALL
	NEGQ AX
	MOVQ AX, errno+24(FP)
	RET
