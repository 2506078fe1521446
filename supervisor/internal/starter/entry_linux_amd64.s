#include "textflag.h"

// entry is where the executable is entered, if it was linked with -E and this symbol's
// name: rsp is the initial stack, and there is nothing of Go yet. The runtime's own entry finds
// all as the kernel left it.
TEXT ·entry(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVQ SP, BX
	MOVQ SP, DI
	LEAQ ·started(SB), SI
	MOVQ github·com∕sysreflect∕sysreflect∕vdsoshim·image(SB), DX
	LEAQ github·com∕sysreflect∕sysreflect∕supervisor∕internal∕guardian·code(SB), CX
	LEAQ github·com∕sysreflect∕sysreflect∕internal∕early·onSignal(SB), R8
	LEAQ github·com∕sysreflect∕sysreflect∕internal∕early·signalReturn(SB), R9
	LEAQ github·com∕sysreflect∕sysreflect∕internal∕early·Pipe(SB), R10
	PUSHQ R10 // the seventh argument stands on the stack
	PUSHQ R10
	CALL ·code(SB)
	MOVQ BX, SP
	XORL DX, DX
	JMP  _rt0_amd64_linux(SB)
