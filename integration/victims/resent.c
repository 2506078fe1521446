/* Handlers of SIGSYS that send it again, to be handled once they have returned: on the stack
 * that the first one had, or on an alternate stack with room for one. Prints how many ran and
 * whether all had the same stack. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define AGAIN 20000

static volatile int handled, moved, last;
static char *volatile first;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	char here;

	(void)context;
	if (!first)
		first = &here;
	if (&here != first)
		moved++;
	if (info->si_code == SI_QUEUE && info->si_value.sival_int != last + 1)
		moved++;
	last = info->si_code == SI_QUEUE ? info->si_value.sival_int : 0;
	if (++handled % AGAIN && sigqueue(getpid(), sig, (union sigval){ .sival_int = last + 1 }))
		moved++;
}

static void run(const char *how, int sig, int flags, int all)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | flags };

	if (all)
		sigfillset(&sa.sa_mask);
	handled = moved = last = 0;
	first = NULL;
	sigaction(sig, &sa, NULL);
	raise(sig);
	printf("%s: %d handled, %d elsewhere, parent %d\n", how, handled, moved, syscall(SYS_getppid) == getppid());
}

int main(void)
{
	size_t size = getauxval(AT_MINSIGSTKSZ);
	stack_t ss = { 0 };

	run("stack", SIGSYS, 0, 0);
	run("all blocked", SIGSYS, 0, 1);
	/* No more than one frame, and what this handler and the calls that it makes need. */
	size = ((size ? size : MINSIGSTKSZ) + 2048 + 4095) & -4096UL;
	ss.ss_size = size;
	ss.ss_sp = (char *)mmap(NULL, size + 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + 4096;
	if (mprotect(ss.ss_sp, size, PROT_READ | PROT_WRITE) || sigaltstack(&ss, NULL))
		return 1;
	run("alternate stack", SIGSYS, SA_ONSTACK, 0);
	run("another signal", SIGUSR1, SA_ONSTACK, 0);
	return 0;
}
