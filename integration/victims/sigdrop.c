/* Makes a call that is trapped while another thread keeps sending this one SIGSYS: the
 * kernel keeps one SIGSYS for a thread. Prints how many calls had another result, or were
 * made twice, and whether its handlers stood on each other. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile long caught;
static pthread_t target;
static volatile int stop;
static char *volatile lowest;

static void on_signal(int sig)
{
	char here;

	(void)sig;
	caught++;
	if (!lowest || &here < lowest)
		lowest = &here;
}

static void *pester(void *arg)
{
	while (!stop) {
		pthread_kill(target, SIGSYS);
		for (volatile int i = 0; i < 2000; i++)
			;
	}
	return arg;
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	pthread_t other;
	long wrong = 0, right = syscall(SYS_getppid);
	sigaction(SIGSYS, &sa, NULL);
	target = pthread_self();
	/* The first call of a number at a site that brings any can't be told from a result. */
	int fd = memfd_create("written", 0);
	syscall(SYS_write, fd, "", 0);
	pthread_create(&other, NULL, pester, NULL);
	for (int i = 0; i < 100000; i++)
		if (syscall(SYS_getppid) != right)
			wrong++;
	for (int i = 0; i < 100000; i++)
		if (write(fd, "0123456789", 10) != 10) /* 10 is a call's number too */
			wrong++;
	for (int i = 0; i < 100000; i++)
		if (syscall(SYS_write, fd, "0123456789", 10) != 10) /* from a site that brings any */
			wrong++;
	if (lseek(fd, 0, SEEK_CUR) != 2000000)
		wrong++;
	stop = 1;
	pthread_join(other, NULL);
	/* One frame, what the C library has on the stack, and some. */
	if (lowest && (char *)&wrong - lowest > 2 * (long)getauxval(AT_MINSIGSTKSZ) + 2048)
		wrong++;
	printf("wrong %ld, caught some %d\n", wrong, caught > 0);
	return wrong != 0;
}
