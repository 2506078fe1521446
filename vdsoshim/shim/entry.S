/*
 * The handoff: what the supervisor lets a freshly executed program do before
 * its first instruction, with all signals blocked. It uses no stack of the
 * program: until the link page is mapped it lives in registers, then that
 * page is its stack, which is wiped before the page becomes read-only.
 *
 *	rdi	descriptor of the region's file
 *	rsi	descriptor of the counters, or -1
 *	rdx	initial stack pointer (the address of argc)
 *	r8	struct prctl_mm_map to complete, use and wipe, or 0
 *	r9	length of the user's own vDSO image, or 0
 *	r10	number of the system call that ends it; with bit 32 set, Syscall User
 *		Dispatch is not armed, since calls from elsewhere follow
 *
 * It ends with that call, through the gate, which the supervisor catches:
 *
 *	rdi	0, or -errno of what failed; then the auxiliary vector is as it was
 *	rsi	STEP_DONE, or the step that failed
 *	rdx	where the kernel's vDSO is
 *	r8	what prctl returned
 *
 * Both descriptors are closed in any case.
 */
#include "shim.h"
#include <asm/unistd_64.h>

#define PROT_READ 1
#define PROT_READ_WRITE 3
#define MAP_PRIVATE_ANON_NOREPLACE (0x2 | 0x20 | 0x100000)
#define PR_SET_MM 35
#define PR_SET_MM_MAP 14
#define MM_MAP_SIZE 104

/* struct handoff, handoff.c */
#define H_FD 0
#define H_COUNTERS 8
#define H_STACK 16
#define H_MM 24
#define H_USER 32
#define H_NR 40
#define H_ERR 48
#define H_STEP 56
#define H_SLOT 64
#define H_VALUE 72
#define H_KERNEL 80
#define H_SIZE 96

	.macro GATE
	lea 1f(%rip), %rbx
	jmp shim_gate
1:
	.endm

	.text
	.balign 16
	.globl shim_handoff
	.hidden shim_handoff
	.type shim_handoff, @function
shim_handoff:
	.cfi_startproc
	/* The outermost frame: there is nobody to return to. */
	.cfi_undefined rip
	mov %rdi, %r12
	mov %rsi, %r13
	mov %rdx, %r14
	mov %r8, %r15
	mov %r9, %rbp
	mov %r10, %rsp			/* signals are blocked, nothing looks at it */

	lea (__ehdr_start + LINK_OFF)(%rip), %rdi
	mov $PAGE_SIZE, %esi
	mov $PROT_READ_WRITE, %edx
	mov $MAP_PRIVATE_ANON_NOREPLACE, %r10d
	mov $-1, %r8
	xor %r9d, %r9d
	mov $__NR_mmap, %eax
	GATE
	lea (__ehdr_start + LINK_OFF)(%rip), %rcx
	cmp %rcx, %rax
	jne .Lno_link

	mov %rsp, %rax
	lea (PAGE_SIZE - H_SIZE)(%rcx), %rsp
	mov %r12, H_FD(%rsp)
	mov %r13, H_COUNTERS(%rsp)
	mov %r14, H_STACK(%rsp)
	mov %r15, H_MM(%rsp)
	mov %rbp, H_USER(%rsp)
	mov %rax, H_NR(%rsp)
	mov %rsp, %rdi
	call shim_handoff_main

	/* From here on in registers again. */
	mov H_ERR(%rsp), %r12
	mov H_STEP(%rsp), %r13
	mov H_KERNEL(%rsp), %r14
	mov H_MM(%rsp), %r15
	mov H_SLOT(%rsp), %rbp
	mov H_VALUE(%rsp), %r8
	mov H_NR(%rsp), %r9
	lea (__ehdr_start + LINK_OFF + 8 * LINK_WORDS)(%rip), %rdi
	mov $((PAGE_SIZE - 8 * LINK_WORDS) / 8), %ecx
	xor %eax, %eax
	cld
	rep stosq
	mov %r9, %rsp
	test %r12, %r12
	jnz .Lend

	mov %r14, (%rbp)		/* it may have been moved */
	mov $STEP_PROTECT, %r13d
	lea (__ehdr_start + LINK_OFF)(%rip), %rdi
	mov $PAGE_SIZE, %esi
	mov $PROT_READ, %edx
	mov $__NR_mprotect, %eax
	GATE
	mov %rax, %r12
	test %rax, %rax
	jnz .Lend

	/* The last step, so that a failure before it leaves the program with
	 * what the kernel gave it. */
	mov $STEP_DONE, %r13d
	mov %r8, (%rbp)
	xor %ebp, %ebp
	cmp %r8, %r14			/* the user's own image: nothing changed */
	je .Lend
	test %r15, %r15
	jz .Lend
	mov $PR_SET_MM, %edi
	mov $PR_SET_MM_MAP, %esi
	mov %r15, %rdx
	mov $MM_MAP_SIZE, %r10d
	xor %r8d, %r8d
	mov $__NR_prctl, %eax
	GATE
	mov %rax, %rbp
	jmp .Lwipe

.Lend:
	xor %ebp, %ebp
.Lwipe:
	test %r15, %r15
	jz 2f
	mov %r15, %rdi
	mov $(MM_MAP_SIZE / 8), %ecx
	xor %eax, %eax
	cld
	rep stosq
2:
	mov %r12, %rdi
	mov %r13, %rsi
	mov %r14, %rdx
	mov %rbp, %r8
	mov %rsp, %rax
	mov %rsp, %r10
	xor %r9d, %r9d
	GATE
	ud2

.Lno_link:
	/* Another address is a kernel before 4.17 that took ours for a hint:
	 * what it gave is of no use, but not ours to judge; it goes. */
	cmp $-PAGE_SIZE, %rax
	ja 3f
	mov %rax, %rdi
	mov $PAGE_SIZE, %esi
	mov $__NR_munmap, %eax
	GATE
	mov $-17, %rax			/* EEXIST */
3:
	mov %rax, %r14
	mov %r12, %rdi
	mov $__NR_close, %eax
	GATE
	test %r13, %r13
	js 4f
	mov %r13, %rdi
	mov $__NR_close, %eax
	GATE
4:
	mov %r14, %r12
	mov $STEP_LINK, %r13d
	xor %r14d, %r14d
	jmp .Lend
	.balign 16, 0xcc
	.cfi_endproc
	.size shim_handoff, . - shim_handoff
