// unwound: steps through calls, and walks the stack from each instruction, by the unwind
// tables alone: the function with the call must be found, wherever the call is made.
//
//	unwound TRIES	makes so many calls beforehand
//
// Prints from where it was not found: an object and an offset, "?" where there is none.
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>
#include "site.h"

SITE(any_call, "mov %rcx, %rax"); // the number is the fourth argument
SITE(random_call, "mov $318, %eax");
SITE(constant_call, "mov $102, %eax");
SITE(other_constant_call, "mov $104, %eax");
SITE(passed_call, "mov $110, %eax");

// stepped calls f(a, b, c, nr) with the trap flag set.
long stepped(void *f, long a, long b, long c, long nr);
extern const char stepped_end[];
asm("	.text\n.globl stepped\n"
    "stepped:\n"
    "	.cfi_startproc\n"
    "	sub $8, %rsp; .cfi_adjust_cfa_offset 8\n"
    "	mov %rdi, %rax\n"
    "	mov %rsi, %rdi; mov %rdx, %rsi; mov %rcx, %rdx; mov %r8, %rcx\n"
    "	pushfq; .cfi_adjust_cfa_offset 8\n"
    "	orl $0x100, (%rsp); popfq; .cfi_adjust_cfa_offset -8\n"
    "	call *%rax\n"
    "	pushfq; .cfi_adjust_cfa_offset 8\n"
    "	andl $~0x100, (%rsp); popfq; .cfi_adjust_cfa_offset -8\n"
    "	add $8, %rsp; .cfi_adjust_cfa_offset -8\n"
    "	ret\n"
    "	.cfi_endproc\n"
    "stepped_end:\n");

static int steps, places;
static uintptr_t lost[4096];

static _Unwind_Reason_Code frame(struct _Unwind_Context *c, void *found)
{
	uintptr_t ip = _Unwind_GetIP(c);
	if (ip < (uintptr_t)stepped || ip >= (uintptr_t)stepped_end)
		return _URC_NO_REASON;
	*(int *)found = 1;
	return _URC_END_OF_STACK;
}

static void on_trap(int sig, siginfo_t *info, void *context)
{
	uintptr_t ip = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
	int found = 0;
	(void)sig, (void)info;
	steps++;
	_Unwind_Backtrace(frame, &found);
	for (int i = 0; i < places && !found; i++)
		found = lost[i] == ip;
	if (!found && places < 4096)
		lost[places++] = ip;
}

// where prints the object of an address.
static void where(uintptr_t at)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	uintptr_t begin, end, first = 0;
	char name[256], last[256] = "";
	while (maps && fgets(line, sizeof line, maps)) {
		*name = 0;
		if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %255[^\n]", &begin, &end, name) < 2)
			continue;
		if (strcmp(name, last))
			first = begin;
		strcpy(last, name);
		if (at >= begin && at < end)
			printf("lost at %s+%lx\n", *name ? name : "?", at - first);
	}
	if (maps)
		fclose(maps);
}

int main(int argc, char **argv)
{
	static unsigned char b[16];
	static struct timespec ts;
	static struct timeval tv;
	static const struct {
		long (*f)(long, long, long, long);
		long nr, a, b;
	} calls[] = {
		{ any_call, SYS_getuid, 0, 0 }, { any_call, SYS_getppid, 0, 0 }, { any_call, SYS_getpgrp, 0, 0 }, { any_call, 100000, 0, 0 },
		{ any_call, SYS_getrandom, (long)b, sizeof b }, { random_call, 0, (long)b, sizeof b }, { random_call, 0, 0, sizeof b },
		{ constant_call, 0, 0, 0 }, { other_constant_call, 0, 0, 0 }, { passed_call, 0, 0, 0 },
		// By the vDSO: what user space can tell, and what it can't.
		{ (void *)clock_gettime, 0, CLOCK_MONOTONIC, (long)&ts }, { (void *)clock_gettime, 0, CLOCK_PROCESS_CPUTIME_ID, (long)&ts },
		{ (void *)clock_gettime, 0, CLOCK_BOOTTIME, (long)&ts }, { (void *)clock_gettime, 0, 99, (long)&ts },
		{ (void *)clock_getres, 0, CLOCK_REALTIME, (long)&ts }, { (void *)gettimeofday, 0, (long)&tv, 0 },
	};
	const int n = sizeof calls / sizeof *calls;
	struct sigaction sa = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	int found;
	_Unwind_Backtrace(frame, &found); // what is allocated at the first use
	sigaction(SIGTRAP, &sa, NULL);
	for (int t = argc > 1 ? atoi(argv[1]) : 0; t; t--) {
		for (int i = 0; i < n; i++)
			calls[i].f(calls[i].a, calls[i].b, 0, calls[i].nr);
		if (t % 16 == 0)
			usleep(1000);
	}
	for (int i = 0; i < n; i++) {
		long r = calls[i].f(calls[i].a, calls[i].b, 0, calls[i].nr), s = stepped(calls[i].f, calls[i].a, calls[i].b, 0, calls[i].nr);
		if (r != s)
			printf("call %d: %ld, stepped through %ld\n", i, r, s);
	}
	printf("enough steps %d\n", steps > n * 4);
	for (int i = 0; i < places; i++)
		where(lost[i]);
	return 0;
}
