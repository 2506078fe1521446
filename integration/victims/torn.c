// Thousands of sites at every offset within a cache line are patched while another
// thread executes them. Each child begins with unpatched sites.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE 64
#define KINDS 4

// Each kind has a site at each offset, behind a function that fills, and before
// padding. rdi is the number; rsi, rdx and rax are
// returned to who looks at them.
#define SITES(kind, code)                                                                   \
	asm(".text\n.macro " kind "_here\n.balign 64\n"                                     \
	    ".cfi_startproc\n.skip offset - 1, 0x90\nret\n.cfi_endproc\n"                   \
	    ".type " kind "\\@, @function\n" kind "\\@:\n.cfi_startproc\n" code             \
	    "ret\n.cfi_endproc\n.size " kind "\\@, . - " kind "\\@\n.balign 64\n"           \
	    ".pushsection .data.rel.local, \"aw\"\n.quad " kind "\\@\n.popsection\n"        \
	    ".endm\n.set offset, 2\n.rept 64\n" kind "_here\n"                              \
	    ".set offset, offset + 1\n.endr\n.cfi_startproc\nret\n.cfi_endproc\n")

asm(".pushsection .data.rel.local, \"aw\"\n.balign 8\nsites:\n.popsection");
SITES("five", "mov %edi, %eax\nxor %edx, %edx\nmov $0x12345678, %esi\nsyscall\n");
SITES("seven", "mov %edi, %eax\nxor %edx, %edx\nmov $0x12345678, %rsi\nsyscall\n");
SITES("three", "mov %edi, %eax\nmov $0x12345678, %esi\nxor %rdx, %rdx\nsyscall\n");
SITES("two", "mov $0x12345678, %esi\nmov %edi, %eax\nxor %edx, %edx\nsyscall\n");
extern char *sites[KINDS * LINE];

static _Atomic(char *) current;
static atomic_long turns, wrong;
static long pid;

// Makes a call at a site, and tells whether all is as it must be.
static int call(char *site, long nr, long want)
{
	register long result asm("rax");
	register long rdi asm("rdi") = nr, rsi asm("rsi") = -1, rdx asm("rdx") = -1;
	asm volatile("call *%[site]" : "=r"(result), "+r"(rsi), "+r"(rdx) : "r"(rdi), [site] "r"(site) : "rcx", "r11", "memory", "cc");
	return result == want && rsi == 0x12345678 && rdx == 0;
}

// Executes the current site for as long as there is one, with a call that is not
// reflected.
static void *runner(void *unused)
{
	for (char *site; (site = atomic_load_explicit(&current, memory_order_relaxed));) {
		if (!call(site, SYS_getpid, pid))
			atomic_fetch_add(&wrong, 1);
		atomic_fetch_add_explicit(&turns, 1, memory_order_relaxed);
	}
	return unused;
}

static void pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu % sysconf(_SC_NPROCESSORS_ONLN), &set);
	sched_setaffinity(0, sizeof set, &set);
}

static void *pinned_runner(void *unused)
{
	pin(1);
	return runner(unused);
}

// One child: a kind's sites, each met by its runner before the second call that
// has it patched. Exits with the number of sites that were changed.
static int child(int kind)
{
	char before[LINE][16];
	long parent = getppid();
	pthread_t thread;
	pid = getpid();
	pin(0);
	current = sites[kind * LINE];
	if (pthread_create(&thread, NULL, pinned_runner, NULL))
		_exit(255);
	for (int i = 0; i < LINE; i++) {
		char *site = sites[kind * LINE + i];
		memcpy(before[i], site, sizeof before[i]);
		current = site;
		for (int calls = 0; calls < 4; calls++) {
			long t = atomic_load(&turns);
			for (int spin = 0; atomic_load(&turns) < t + 3 && spin < 1000; spin++)
				sched_yield();
			if (!call(site, SYS_getppid, parent))
				atomic_fetch_add(&wrong, 1);
		}
	}
	current = NULL;
	pthread_join(thread, NULL);
	int changed = 0;
	for (int i = 0; i < LINE; i++)
		changed += !!memcmp(before[i], sites[kind * LINE + i], sizeof before[i]);
	if (wrong) {
		printf("kind %d: %ld of %ld calls went wrong\n", kind, wrong, turns);
		fflush(stdout);
	}
	_exit(wrong ? 255 : changed);
}

// torn ROUNDS: prints how many sites were patched to standard error.
int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 1, ended = 0, changed = 0;
	for (int i = 0; i < rounds * KINDS; i++) {
		int status;
		pid_t c = fork();
		if (c == 0)
			child(i % KINDS);
		if (waitpid(c, &status, 0) == c && WIFEXITED(status) && WEXITSTATUS(status) != 255)
			changed += WEXITSTATUS(status), ended++;
		else
			printf("kind %d: status %x\n", i % KINDS, status);
	}
	printf("%d of %d children ended well\n", ended, rounds * KINDS);
	fprintf(stderr, "%d of %d sites patched\n", changed, rounds * KINDS * LINE);
	return ended != rounds * KINDS;
}
