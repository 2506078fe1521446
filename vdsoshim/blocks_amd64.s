#include "textflag.h"

// func cpuid(leaf, sub uint32) (a, b, c, d uint32)
TEXT ·cpuid(SB), NOSPLIT, $0-24
	MOVL leaf+0(FP), AX
	MOVL sub+4(FP), CX
	CPUID
	MOVL AX, a+8(FP)
	MOVL BX, b+12(FP)
	MOVL CX, c+16(FP)
	MOVL DX, d+20(FP)
	RET

// func xgetbv() uint32
TEXT ·xgetbv(SB), NOSPLIT, $0-4
	XORL CX, CX
	XGETBV
	MOVL AX, ret+0(FP)
	RET

// func callBlock(fn uintptr, dst *byte, units int, key *[32]byte, counter uint64, scratch, save unsafe.Pointer)
//
// A block function uses no stack and keeps SP and BP, so this needs none. It
// may change R14 and X15, which Go's wrapper of assembly functions sets anew. A
// signal in it finds a program counter that is no Go code, as in the vDSO: the
// goroutine is not preempted there. It lasts a few microseconds.
TEXT ·callBlock(SB), NOSPLIT, $0-56
	MOVQ dst+8(FP), DI
	MOVQ units+16(FP), SI
	MOVQ key+24(FP), DX
	MOVQ counter+32(FP), CX
	MOVQ scratch+40(FP), R8
	MOVQ save+48(FP), R9
	MOVQ fn+0(FP), AX
	// lea 2(%rip), %rbx: behind the jump, which has two bytes.
	BYTE $0x48; BYTE $0x8d; BYTE $0x1d; LONG $2
	JMP  AX
	RET
