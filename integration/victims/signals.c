// signals WAY ...: what signals do to a program.
//
//	die N        dies of signal N, which it sends itself
//	crash WAY    dies of what it did: null, div, ill, trap, abort, stack, sys
//	count SECS   counts the SIGINT, SIGTERM, SIGHUP, SIGUSR1... that it gets and says so
//	             at the end; "ready" first. SIGQUIT ends it early.
//	busy         makes reflected calls until it is killed
//	kids N       N children die of signals
//	sync         handlers run during reflected calls, with all registers kept
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t counts[65], leave;

static void count(int s)
{
	counts[s]++;
	if (s == SIGQUIT)
		leave = 1;
}

static void raw_random(void)
{
	unsigned char b[16];
	syscall(SYS_getrandom, b, sizeof b, 0);
}

static void crash(const char *how)
{
	volatile int zero = 0;
	if (!strcmp(how, "null"))
		*(volatile int *)(uintptr_t)(zero + 64) = 1;
	else if (!strcmp(how, "div"))
		__asm__ volatile("cltd; idivl %1" : "+a"(zero) : "r"(0) : "edx");
	else if (!strcmp(how, "ill"))
		__asm__ volatile("ud2");
	else if (!strcmp(how, "trap"))
		__asm__ volatile("int3");
	else if (!strcmp(how, "abort"))
		abort();
	else if (!strcmp(how, "stack"))
		__asm__ volatile("mov $64, %rsp; push %rax");
	else if (!strcmp(how, "bus")) {
		char *p = mmap(0, 4096, PROT_READ, MAP_PRIVATE, fileno(tmpfile()), 0);
		zero = *(volatile char *)p;
	}
}

static void kids(int n)
{
	for (int i = 1; i <= n; i++) {
		int s = i % 31 + 1, status = 0, pid = fork();
		if (pid == 0) {
			struct rlimit none = { 0, 0 };
			setrlimit(RLIMIT_CORE, &none);
			raw_random();
			signal(s, SIG_DFL);
			kill(getpid(), s);
			raw_random();
			_exit(0);
		}
		waitpid(pid, &status, WUNTRACED);
		printf("signal %d: %x\n", s, status & ~0x80);
		if (WIFSTOPPED(status)) {
			kill(pid, SIGCONT);
			waitpid(pid, &status, 0);
			printf("  continued: %x\n", status);
		}
	}
}

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "";
	raw_random();
	if (!strcmp(way, "die")) {
		kill(getpid(), atoi(argv[2]));
		printf("not dead\n");
		return 4;
	}
	if (!strcmp(way, "crash")) {
		crash(argv[2]);
		return 4;
	}
	if (!strcmp(way, "kids")) {
		kids(atoi(argv[2]));
		return 0;
	}
	if (!strcmp(way, "count")) {
		struct sigaction sa = { .sa_handler = count, .sa_flags = SA_RESTART };
		for (int s = 1; s < 65; s++)
			if (s != SIGKILL && s != SIGSTOP && s != SIGTSTP && s != SIGTTIN && s != SIGTTOU && s != SIGCHLD && s != SIGPROF)
				sigaction(s, &sa, NULL);
		printf("ready %d\n", getpid());
		fflush(stdout);
		struct timespec t = { 0, 10000000 };
		for (int i = 0; i < atoi(argv[2]) * 100 && !leave; i++) {
			raw_random();
			nanosleep(&t, NULL);
		}
		for (int s = 1; s < 65; s++)
			if (counts[s])
				printf("signal %d came %d times\n", s, counts[s]);
		return 7;
	}
	if (!strcmp(way, "busy")) {
		printf("ready %d\n", getpid());
		fflush(stdout);
		for (;;)
			raw_random();
	}
	return 2;
}
