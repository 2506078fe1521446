/* Makes calls in a loop in front of which the number is loaded: what is in the loop is too
 * short for a jump to stubs that are near. */
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

long loop(long calls, long want);
__asm__(".text\n.balign 64\n.globl loop\n.type loop, @function\nloop:\n.cfi_startproc\n"
	"	mov %rsi, %r9\n"
	"	xor %r8d, %r8d\n"
	"	.balign 8\n"
	"	mov $110, %esi\n"
	"	.balign 8\n"
	"1:	mov %rsi, %rax\n"
	"	syscall\n"
	"	cmp %r9, %rax\n"
	"	setne %al\n"
	"	movzbl %al, %eax\n"
	"	add %rax, %r8\n"
	"	dec %rdi\n"
	"	jnz 1b\n"
	"	mov %r8, %rax\n"
	"	ret\n"
	".cfi_endproc\n.size loop, . - loop\n");

int main(void)
{
	printf("%ld calls went wrong\n", loop(20000, getppid()) + loop(20000, getppid()));
	return 0;
}
