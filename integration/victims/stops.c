// stops [WAIT]: for debuggers. Makes calls at several shapes of sites, over and over,
// and holds what they return against what they must. Says when all are patched. With WAIT, only once SIGUSR1 came.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "site.h"

SITE(by_constant, "mov $102, %eax");
SITE(by_pass, "mov $110, %eax");
SITE(by_random, "mov $318, %eax");
// Any number: the fourth argument.
SITE(any, "mov %rcx, %rax");

// The same where no padding is near: the jump ends in the bytes of what follows it.
#define FILL ".rept 60\n	lea (%rdi), %rdi\n	.endr\n"
#define ENDS(name, before, behind)                                                          \
	asm(".text\n.balign 64\n.globl " #name ", " #name "_site\n.type " #name ", @function\n"  \
	    #name ":\n.cfi_startproc\n	test %rdi, %rdi\n" FILL ".balign 64\n	cld\n" before "\n" #name "_site:\n"     \
	    "	syscall\n" #name "_back:\n" behind FILL "	ret\n.cfi_endproc\n.size " #name ", . - " #name "\n"); \
	long name(long a, long b, long c, long d)

ENDS(in_two, "	mov %ecx, %eax", "	cmp $-4096, %rax\n");
ENDS(in_three, "	mov %rcx, %rax", "");
ENDS(in_four, "	.byte 0x48, 0x8d, 0x04, 0x21", ""); // lea 0(%rcx), %rax
ENDS(in_next, "	cld; cld; cld\n	mov %rcx, %rax\nin_next_moved:\n	.byte 0x48, 0x8d, 0xbf, 0, 0, 0, 0", "");
#define ANY(nr, a, b) any(a, b, 0, nr)

extern char by_constant_site[], by_pass_site[], by_random_site[], any_site[], in_two_site[], in_three_site[], in_four_site[], in_next_site[];
static char *const sites[] = { by_constant_site, by_pass_site, by_random_site, any_site, in_two_site, in_three_site, in_four_site, in_next_site };
enum { SITES = sizeof sites / sizeof *sites, BEFORE = 10 };
static char code[SITES][BEFORE];

// How many sites have other code before them than at the start.
static int patched(void)
{
	int n = 0;
	for (int i = 0; i < SITES; i++)
		n += memcmp(code[i], sites[i] - BEFORE, BEFORE) != 0;
	return n;
}

static volatile sig_atomic_t going;
static void go(int sig) { going = sig; }

int main(int argc, char **argv __attribute__((unused)))
{
	struct sigaction act = { .sa_handler = go, .sa_flags = SA_RESTART };
	const long uid = getuid(), parent = getppid();
	sigaction(SIGUSR1, &act, 0);
	for (int i = 0; i < SITES; i++)
		memcpy(code[i], sites[i] - BEFORE, BEFORE);
	setvbuf(stdout, 0, _IONBF, 0);
	printf("ready %d\n", getpid());
	for (going = argc < 2; !going;)
		pause();
	int told = 0;
	for (long i = 0;; i++) {
		if (!told && i % 16 == 0 && patched() == SITES) {
			puts("patched");
			told = 1;
		}
		long got[8] = {0};
		char b[16] = {0}, c[16] = {0};
		got[0] = by_constant(0, 0, 0, 0);
		got[1] = by_pass(0, 0, 0, 0);
		got[2] = by_random((long)b, sizeof b, 0, 0);
		got[3] = i % 3 == 0 ? ANY(SYS_getuid, 0, 0) - got[0] + 16 : i % 3 == 1 ? ANY(SYS_getppid, 0, 0) - parent + 16 :
			 ANY(SYS_getrandom, (long)c, sizeof c);
		got[4] = in_two(0, 0, 0, SYS_getppid);
		got[5] = in_three(0, 0, 0, SYS_getppid);
		got[6] = in_four(0, 0, 0, SYS_getppid);
		got[7] = in_next(0, 0, 0, SYS_getppid);
		for (int k = 4; k < 8; k++)
			if (got[k] != parent)
				got[3] = got[k];
		if ((got[0] != 77 && got[0] != uid) || got[1] != parent || got[2] != 16 || got[3] != 16 || !memcmp(b, c, sizeof b)) {
			printf("round %ld: %ld %ld %ld %ld\n", i, got[0], got[1], got[2], got[3]);
			return 1;
		}
		if (i > 2000)
			usleep(200);
	}
}
