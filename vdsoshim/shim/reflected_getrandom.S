/*
 * In place of a system call instruction that is reflected to here by a jump:
 *
 *	rax, rdi, rsi, rdx	as for the call
 *	rcx			address behind the instruction
 *	rsp			any value at all
 *
 * It goes on at rcx with rax, rcx and r11 as the kernel leaves them; the flags
 * and all else are as they were. What it does not serve goes to the instruction
 * itself, at rcx - 2. The sixteen bits of r11 that only a stack would tell are
 * those of a program that sets none of the rare flags.
 *
 * A bad buffer has to give EFAULT, but a fault here would be the program's
 * SIGSEGV. So bytes go only into pages that the kernel itself has just written
 * to: a request for another page, or a byte of it, is made by system call, through
 * the gate, and when that succeeds the page is known until the slot's batch is
 * used up, the generation changes, or the program makes a call by which it may lose
 * pages, see shim_forget.
 */
#include "slots.h"
#include "serve.h"
#include "refill.h"

	/* The frame is that of the code around the instruction. */
	.macro CFI_RETURN_call base
	CFI_AT DW_RIP, \base, SAVED_CX
	.endm

	.text
	.balign 64
	.globl shim_reflected_getrandom
	.hidden shim_reflected_getrandom
	.type shim_reflected_getrandom, @function
shim_reflected_getrandom:
	.cfi_startproc
	.cfi_def_cfa rsp, 0
	.cfi_register rip, rcx
	lahf
	seto %al
	mov %eax, %r11d
	/* A breakpoint at the site, see reflected.S. */
	cmpb $SYSCALL_FIRST, -2(%rcx)
	jne .Lcall_site
	/* Unknown flags, two that exclude each other, lengths and addresses that
	 * are strange: the kernel's. */
	cmp $GRND_KNOWN, %edx
	ja .Lcall_site
	mov %edx, %eax
	and $GRND_RANDOM_INSECURE, %eax
	cmp $GRND_RANDOM_INSECURE, %eax
	je .Lcall_site
	lea -1(%rsi), %rax
	cmp $REQUEST_MAX, %rax
	jae .Lcall_site
	/* Not the first page either: 0 in the table of known pages is none. */
	lea -PAGE_SIZE(%rdi), %rax
	shr $47, %rax
	jnz .Lcall_site
	cmpq $0, GENERATOR
	je .Lcall_site

	OWN_SLOT shim_cpu_call
	TAKE .Lcall_other
.Lcall_taken:
	mov %rcx, SAVED_CX(%rax)
	.cfi_remember_state
	CFI_RETURN_call DW_RAX
	mov %r8, SAVED_8(%rax)
	mov %r9, SAVED_9(%rax)
	mov %r10, SAVED_10(%rax)
	mov %r11, SAVED_FLAGS(%rax)
	mov %rdi, SAVED_DI(%rax)
	mov %rsi, SAVED_SI(%rax)
	mov %rdx, SAVED_DX(%rax)
	mov %rax, %r8
	CFI_RETURN_call DW_R8
	FIND_SECRET
	mov CONTROL, %r9

	mov FORGET, %rax
	cmp %rax, SLOT_EPOCH(%r8)
	/* Made to jump always, at launch, where nobody tells when pages are lost. */
	.globl shim_epoch_call
	.hidden shim_epoch_call
shim_epoch_call:
	jne .Lcall_forget
.Lcall_remembered:
	mov %rdi, %rax
	shr $12, %rax
	lea -1(%rdi, %rsi), %rcx
	shr $12, %rcx
1:	mov %eax, %r11d
	and $(KNOWN_PAGES - 1), %r11d
	cmp %rax, SLOT_PAGES(%r8, %r11, 8)
	jne .Lcall_kernel
	inc %rax
	cmp %rcx, %rax
	jbe 1b
.Lcall_known:
	SERVE call

	/* Back, as from the kernel. The slot is given up last, and nothing of
	 * it is read afterwards: the result is the length, which is in rsi. */
	mov SAVED_FLAGS(%r8), %eax
	movzbl %ah, %ecx
	movzbl %al, %r11d
	shl $11, %r11d
	lea 0x200(%rcx, %r11), %r11
	add $0x7f, %al
	sahf
	mov %r8, %rax
	CFI_RETURN_call DW_RAX
	mov SAVED_DI(%rax), %rdi
	mov SAVED_SI(%rax), %rsi
	mov SAVED_DX(%rax), %rdx
	mov SAVED_9(%rax), %r9
	mov SAVED_10(%rax), %r10
	mov SAVED_CX(%rax), %rcx
	.cfi_restore_state
	.cfi_remember_state
	mov SAVED_8(%rax), %r8
	movq $0, SLOT_LOCK(%rax)
	mov %rsi, %rax
	jmp *%rcx

	/* The program may have lost pages since. What it loses from here on changes the
	 * word again, in the middle of this loop too. */
	.cfi_restore_state
	.cfi_remember_state
	CFI_RETURN_call DW_R8
.Lcall_forget:
	test %eax, %eax
	jz 1f
	mov %rax, %rcx
	shr $32, %rcx
	inc %ecx
	shl $32, %rcx
	lock cmpxchg %rcx, FORGET
	jne .Lcall_forget
	mov %rcx, %rax
1:	mov %rax, SLOT_EPOCH(%r8)
	FORGET_PAGES %r8
	jmp .Lcall_remembered

	/* A short request is the kernel's then. Of a longer one it writes a byte into
	 * each page. Where it refuses that, the whole is the kernel's: what it says of
	 * a byte need not be what it says of the request. */
	.cfi_restore_state
	.cfi_remember_state
	CFI_RETURN_call DW_R8
.Lcall_kernel:
	cmp $KERNEL_BLOCK, %rsi
	jbe .Lcall_whole
	mov %rbx, SAVED_BX(%r8)
	CFI_AT DW_RBX, DW_R8, SAVED_BX
.Lcall_page:
	mov $1, %esi
	mov $__NR_getrandom, %eax
	GATE
	sub $1, %rax
	jne .Lcall_refused
	mov %rdi, %rax
	shr $12, %rax
	mov %eax, %r11d
	and $(KNOWN_PAGES - 1), %r11d
	mov %rax, SLOT_PAGES(%r8, %r11, 8)
	or $(PAGE_SIZE - 1), %rdi
	inc %rdi
	mov SAVED_DI(%r8), %rax
	add SAVED_SI(%r8), %rax
	cmp %rax, %rdi
	jb .Lcall_page
	xor %eax, %eax
.Lcall_refused:
	test %rax, %rax
	mov SAVED_DI(%r8), %rdi
	mov SAVED_SI(%r8), %rsi
	mov SAVED_BX(%r8), %rbx
	.cfi_restore rbx
	je .Lcall_known
	jmp .Lcall_whole

	/* The kernel serves it; the pages are known then. */
	SERVE_RARELY call
.Lcall_whole:
	mov SAVED_DX(%r8), %rdx
	mov %rbx, SAVED_BX(%r8)
	CFI_AT DW_RBX, DW_R8, SAVED_BX
	mov $__NR_getrandom, %eax
	GATE
	mov SAVED_BX(%r8), %rbx
	.cfi_restore rbx
	cmp %rsi, %rax
	jne 2f
	mov %rdi, %rcx
	shr $12, %rcx
	lea -1(%rdi, %rsi), %r10
	shr $12, %r10
1:	mov %ecx, %r11d
	and $(KNOWN_PAGES - 1), %r11d
	mov %rcx, SLOT_PAGES(%r8, %r11, 8)
	inc %rcx
	cmp %r10, %rcx
	jbe 1b
2:
	/* Any result, so that no register is left to find the slot with at the
	 * end: r11's value waits in the lock itself, see LOCK_BIT. */
	mov %rax, SAVED_AX(%r8)
	mov SAVED_FLAGS(%r8), %eax
	movzbl %ah, %ecx
	movzbl %al, %r11d
	shl $11, %r11d
	lea 0x200(%rcx, %r11), %r11
	mov %r11, SLOT_LOCK(%r8)
	add $0x7f, %al
	sahf
	mov %r8, %r11
	mov SAVED_AX(%r11), %rax
	mov SAVED_9(%r11), %r9
	mov SAVED_10(%r11), %r10
	mov SAVED_CX(%r11), %rcx
	.cfi_restore_state
	.cfi_remember_state
	mov SAVED_8(%r11), %r8
	xchg %r11, SLOT_LOCK(%r11)
	jmp *%rcx

.Lcall_other:
	TAKE_OTHER .Lcall_taken, .Lcall_site

.Lcall_site:
	mov %r11d, %eax
	add $0x7f, %al
	sahf
	mov $__NR_getrandom, %eax
	lea -2(%rcx), %rcx
	CFI_SITE
	jmp *%rcx
	.balign 64, 0xcc
	.cfi_restore_state
	.cfi_endproc
	.size shim_reflected_getrandom, . - shim_reflected_getrandom
