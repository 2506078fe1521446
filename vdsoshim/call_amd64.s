#include "textflag.h"

// func callC(fn, a, b, c uint64, d unsafe.Pointer, e uint64) int64
//
// Not NOSPLIT: the frame makes Go provide the stack that the function needs.
// r12 is the callee's to preserve, as are r14 (g) and rbp.
TEXT ·callC(SB), 0, $1024-56
	MOVQ fn+0(FP), AX
	MOVQ a+8(FP), DI
	MOVQ b+16(FP), SI
	MOVQ c+24(FP), DX
	MOVQ d+32(FP), CX
	MOVQ e+40(FP), R8
	MOVQ SP, R12
	LEAQ 1024(SP), SP
	ANDQ $~15, SP
	CALL AX
	MOVQ R12, SP
	MOVQ AX, ret+48(FP)
	RET
