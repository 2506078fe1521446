/* The loops that are measured. A system call has one for each number, with the
 * instruction that loads the number before it, as libraries have, and in a
 * function with unwind tables, so that its site can be analyzed and patched.
 *
 * What is subtracted is the same loop with nothing in place of the call. */
#define LOOP_CALLS(X) X(getppid, 110) X(getuid, 102) X(getgid, 104) X(getrandom, 318) X(clock_gettime, 228) X(no_call, 511)

typedef long loop_fn(long calls, long a, long b, long c);
#define DECLARE(name, nr) loop_fn loop_##name;
LOOP_CALLS(DECLARE)
loop_fn loop_empty;

__asm__(".text\n"
	".macro LOOP name, nr, call:vararg\n"
	"	.balign 64\n"
	"	.type loop_\\name, @function\n"
	"	.globl loop_\\name\n"
	"loop_\\name:\n"
	"	.cfi_startproc\n"
	"	push %rbx\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	.cfi_offset rbx, -16\n"
	"	mov %rdi, %rbx\n"
	"	mov %rsi, %rdi\n"
	"	mov %rdx, %rsi\n"
	"	mov %rcx, %rdx\n"
	"	.balign 64\n"
	"1:	mov $\\nr, %eax\n"
	"	\\call\n"
	"	dec %rbx\n"
	"	jnz 1b\n"
	"	pop %rbx\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	.cfi_restore rbx\n"
	"	ret\n"
	"	.cfi_endproc\n"
	"	.size loop_\\name, . - loop_\\name\n"
	".endm\n"
	"LOOP empty, 0\n"
#define EMIT(name, nr) "LOOP " #name ", " #nr ", syscall\n"
	LOOP_CALLS(EMIT));

/* A function is called through a pointer with five arguments, as a C library calls
 * the vDSO; by_nothing has all of it but the call. */
typedef long function(long, long, long, long, long);
struct by {
	function *f;
	long calls, args[5];
};
long by_call(const struct by *), by_nothing(const struct by *);

__asm__(".macro BY name, call:vararg\n"
	"	.balign 64\n"
	"	.type by_\\name, @function\n"
	"	.globl by_\\name\n"
	"by_\\name:\n"
	"	.cfi_startproc\n"
	"	.irp r, rbx, rbp, r12, r13, r14, r15\n"
	"	push %\\r\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	.cfi_rel_offset \\r, 0\n"
	"	.endr\n"
	"	sub $8, %rsp\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	mov (%rdi), %rbx\n"
	"	mov 8(%rdi), %rbp\n"
	"	mov 16(%rdi), %r12\n"
	"	mov 24(%rdi), %r13\n"
	"	mov 32(%rdi), %r14\n"
	"	mov 40(%rdi), %r15\n"
	"	mov 48(%rdi), %rax\n"
	"	mov %rax, (%rsp)\n"
	"	.balign 64\n"
	"1:	mov %r12, %rdi\n"
	"	mov %r13, %rsi\n"
	"	mov %r14, %rdx\n"
	"	mov %r15, %rcx\n"
	"	mov (%rsp), %r8\n"
	"	\\call\n"
	"	dec %rbp\n"
	"	jnz 1b\n"
	"	add $8, %rsp\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	.irp r, r15, r14, r13, r12, rbp, rbx\n"
	"	pop %\\r\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	.cfi_restore \\r\n"
	"	.endr\n"
	"	ret\n"
	"	.cfi_endproc\n"
	"	.size by_\\name, . - by_\\name\n"
	".endm\n"
	"BY call, call *%rbx\n"
	"BY nothing\n");
