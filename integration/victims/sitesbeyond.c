/* Makes calls from 700 sites in turn. */
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

long all(long want);
__asm__(".text\n.balign 64\n.globl all\n.type all, @function\nall:\n.cfi_startproc\n"
	"	xor %r8d, %r8d\n"
	"	.rept 700\n"
	"	.balign 8\n"
	"	mov $110, %eax\n"
	"	syscall\n"
	"	cmp %rdi, %rax\n"
	"	setne %al\n"
	"	movzbl %al, %eax\n"
	"	add %rax, %r8\n"
	"	.endr\n"
	"	mov %r8, %rax\n"
	"	ret\n"
	".cfi_endproc\n.size all, . - all\n");

int main(void)
{
	long wrong = 0, parent = getppid();

	for (int i = 0; i < 1000; i++)
		wrong += all(parent);
	printf("%ld calls went wrong\n", wrong);
	return 0;
}
