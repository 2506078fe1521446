#include "textflag.h"

// entry is where the executable is entered, if it was linked with -E and this symbol's
// name: rsp is the initial stack, and there is nothing of Go yet. The runtime's own entry finds
// all as the kernel left it.
TEXT ·entry(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVQ SP, BX
	MOVQ SP, DI
	SUBQ $48, SP // struct outside
	LEAQ ·started(SB), AX
	MOVQ AX, 0(SP)
	MOVQ github·com∕sysreflect∕sysreflect∕vdsoshim·image(SB), AX
	MOVQ AX, 8(SP)
	LEAQ github·com∕sysreflect∕sysreflect∕supervisor∕internal∕guardian·code(SB), AX
	MOVQ AX, 16(SP)
	LEAQ github·com∕sysreflect∕sysreflect∕internal∕early·onSignal(SB), AX
	MOVQ AX, 24(SP)
	LEAQ github·com∕sysreflect∕sysreflect∕internal∕early·signalReturn(SB), AX
	MOVQ AX, 32(SP)
	LEAQ github·com∕sysreflect∕sysreflect∕internal∕early·Pipe(SB), AX
	MOVQ AX, 40(SP)
	MOVQ SP, SI
	CALL ·code(SB)
	MOVQ BX, SP
	XORL DX, DX
	JMP  _rt0_amd64_linux(SB)
