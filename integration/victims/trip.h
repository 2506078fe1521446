// A call with every register set to random values, between which and what is there
// afterwards it has no stack.
#include <stdint.h>

#ifndef STR
#define STR2(x) #x
#define STR(x) STR2(x)
#endif

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };
#define FLAGS 128
#define ZMM 256
#define MASKS 2304
#define FX 2368

struct state {
	uint64_t gpr[16], flags, pad[15];
	uint8_t zmm[32][64];
	uint64_t k[8];
	uint8_t fx[512];
} __attribute__((aligned(64))) in, out;
uint64_t own_rsp;
void *target, *back_to;
int vectors; // 0: those that fxsave has, 1: ymm, 2: zmm and masks

// trip loads every register from in, jumps to target, and comes back with what is
// there then in out. Between the two it has no stack.
void trip(void);
asm(".text\n.globl trip\n.type trip, @function\ntrip:\n.cfi_startproc\n"
    "	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "	mov %rsp, own_rsp(%rip)\n"
    "	lea back(%rip), %rax; mov %rax, back_to(%rip)\n"
    "	fxrstor64 in+" STR(FX) "(%rip)\n"
    "	cmpl $1, vectors(%rip); jl 2f; je 1f\n"
    "	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
    "	vmovdqu64 in+" STR(ZMM) "+64*\\n(%rip), %zmm\\n\n	.endr\n"
    "	.irp n, 0,1,2,3,4,5,6,7\n	kmovq in+" STR(MASKS) "+8*\\n(%rip), %k\\n\n	.endr\n	jmp 2f\n"
    "1:	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "	vmovdqu in+" STR(ZMM) "+64*\\n(%rip), %ymm\\n\n	.endr\n"
    "2:	mov in+8(%rip), %rcx; mov in+16(%rip), %rdx; mov in+24(%rip), %rbx\n"
    "	mov in+40(%rip), %rbp; mov in+48(%rip), %rsi; mov in+56(%rip), %rdi\n"
    "	.irp n, 8,9,10,11,12,13,14,15\n	mov in+8*\\n(%rip), %r\\n\n	.endr\n"
    "	mov in(%rip), %rax\n"
    "	pushq in+" STR(FLAGS) "(%rip); popfq\n"
    "	mov in+32(%rip), %rsp\n"
    "	jmp *target(%rip)\n"
    "back:\n"
    "	mov %rax, out(%rip); mov %rcx, out+8(%rip); mov %rdx, out+16(%rip); mov %rbx, out+24(%rip)\n"
    "	mov %rsp, out+32(%rip); mov %rbp, out+40(%rip); mov %rsi, out+48(%rip); mov %rdi, out+56(%rip)\n"
    "	.irp n, 8,9,10,11,12,13,14,15\n	mov %r\\n, out+8*\\n(%rip)\n	.endr\n"
    "	mov own_rsp(%rip), %rsp\n"
    "	pushfq; popq out+" STR(FLAGS) "(%rip); pushq $0x202; popfq\n"
    "	cmpl $1, vectors(%rip); jl 2f; je 1f\n"
    "	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
    "	vmovdqu64 %zmm\\n, out+" STR(ZMM) "+64*\\n(%rip)\n	.endr\n"
    "	.irp n, 0,1,2,3,4,5,6,7\n	kmovq %k\\n, out+" STR(MASKS) "+8*\\n(%rip)\n	.endr\n	jmp 2f\n"
    "1:	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "	vmovdqu %ymm\\n, out+" STR(ZMM) "+64*\\n(%rip)\n	.endr\n"
    "2:	fxsave64 out+" STR(FX) "(%rip)\n"
    "	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n	ret\n"
    ".cfi_endproc\n.size trip, . - trip\n");

// Each site ends by going back, so that it needs no stack either.
#define SITE(name, code)                                                                      \
	asm(".text\n.balign 64\n.type " #name ", @function\n" #name ":\n.cfi_startproc\n" code \
	    "\n" #name "_return: jmp *back_to(%rip)\n.cfi_endproc\n.size " #name ", . - " #name "\n"); \
	extern char name[], name##_return[]

static uint64_t seed = 88172645463325252;
static uint64_t next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}
