/*
 * Threads that call both entries, interrupted all the time by handlers that
 * call, fork, drop the secrets or jump away, while others drop and change the
 * generation. All words that any process gets go into one table, and none may
 * be zero or come twice.
 */
#include "harness.h"
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 6
#define LONGEST 4200

struct shared {
	u64 size, words, calls, handlers, forks, jumps, children, drops;
	u64 zeros, twice, wrong;
	u64 table[];
};
static struct shared *all;
static volatile int ending, births;	/* births: forks on the way to this process */
static int jumping;

static __thread u64 state;
static __thread volatile int recording, may_jump;
static __thread sigjmp_buf away;

static u64 number(void)
{
	state = state * 6364136223846793005 + 1442695040888963407;
	return state >> 33;
}

static void count(u64 *n)
{
	__atomic_fetch_add(n, 1, __ATOMIC_RELAXED);
}

static void record(const u8 *bytes, u64 n)
{
	for (u64 i = 0; i + 8 <= n; i += 8) {
		u64 word, old, at;

		memcpy(&word, bytes + i, 8);
		if (!word) {
			count(&all->zeros);
			continue;
		}
		for (at = word % all->size;; at = (at + 1) % all->size) {
			old = 0;
			if (__atomic_compare_exchange_n(&all->table[at], &old, word, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
				break;
			if (old == word) {
				count(&all->twice);
				break;
			}
		}
		if (__atomic_add_fetch(&all->words, 1, __ATOMIC_RELAXED) > all->size / 2)
			ending = 1;
	}
}

static long by_call(void *buf, u64 len)
{
	long n = NR_GETRANDOM;

	asm volatile("lea 1f(%%rip), %%rcx\n\t"
		     "jmp *%[entry]\n\t"
		     "syscall\n"
		     "1:"
		     : "+a"(n) : "D"(buf), "S"(len), "d"(0), [entry] "r"(reflected) : "rcx", "r11", "cc", "memory");
	return n;
}

static u64 some_length(void)
{
	switch (number() % 512) {
	case 0:
		return 4096;
	case 1:
		return 2016 + 8 * (number() % 8);
	case 2:
		return 2048 + 8 * (number() % 128);
	default:
		return 8 * (1 + number() % 12);
	}
}

/* A call that a fork has cut in two ends in both processes, with the same bytes
 * as far as they were copied before: the child does not count it. The explorer
 * judges those. */
static void draw(u8 *buf)
{
	u8 *to = buf + number() % 64;
	u64 len = some_length();
	int before = births;
	long n;

	memset(to, 0, len);
	may_jump = 1;
	if (number() % 2) {
		n = ((getrandom_fn *)vdso)(to, len, 0, buf + 8192, state_size);
		may_jump = 0;
		if (n != (long)len)
			count(&all->wrong);
	} else {
		n = by_call(to, len);
		may_jump = 0;
		if (n <= 0 || n > (long)len)
			count(&all->wrong);
	}
	recording = 1;
	asm volatile("" : : : "memory");
	count(&all->calls);
	if (births == before)
		record(to, n > 0 ? n : 0);
	else
		for (long i = 0; i + 8 <= n; i += 8)
			if (!memcmp(to + i, "\0\0\0\0\0\0\0", 8))
				count(&all->zeros);
	asm volatile("" : : : "memory");
	recording = 0;
}

static void drop_all(void)
{
	count(&all->drops);
	madvise((void *)secrets, secrets_size, MADV_PAGEOUT);
}

static void handler(int sig)
{
	static __thread u8 buf[2 * 8192] __attribute__((aligned(4096)));
	int could_jump = may_jump, was_recording = recording;

	(void)sig;
	count(&all->handlers);
	if (!was_recording)
		for (u64 i = number() % 3; i > 0; i--)
			draw(buf);
	if (number() % 16 == 0)
		drop_all();
	if (number() % 12 == 0 && !was_recording && births < 2) {
		count(&all->forks);
		if (syscall(SYS_fork) == 0) {
			births++;
			count(&all->children);
		}
		draw(buf);
	}
	may_jump = could_jump;
	if (jumping && could_jump && number() % 4 == 0) {
		count(&all->jumps);
		siglongjmp(away, 1);
	}
}

static void *draws(void *arg)
{
	u8 *buf = mmap(0, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
	struct itimerspec often = {{0, 70000}, {0, 70000}};
	timer_t timer;
	volatile int left = 40;	/* calls of a child */

	state = (u64)arg * 0x9e3779b97f4a7c15 ^ num("seed");
	ev._sigev_un._tid = syscall(SYS_gettid);
	timer_create(CLOCK_MONOTONIC, &ev, &timer);
	timer_settime(timer, 0, &often, 0);
	sigsetjmp(away, 1);
	may_jump = 0;
	while (!ending) {
		draw(buf);
		if (births && --left < 0)
			_exit(0);
	}
	timer_delete(timer);
	/* What is pending goes to a handler that would be alone. */
	recording = 1;
	if (births)
		_exit(0);
	return 0;
}

static void *disturbs(void *arg)
{
	sigset_t set;

	sigfillset(&set);
	pthread_sigmask(SIG_BLOCK, &set, 0);
	for (u64 i = (u64)arg; !ending; i++) {
		usleep(200 + i * 7919 % 400);
		if (i % 2)
			drop_all();
		else
			__atomic_fetch_add(control, 1, __ATOMIC_RELAXED);
	}
	return 0;
}

static int too_little(void)
{
	return all->words < 1000 || !all->handlers || !all->children || !all->jumps || !all->drops;
}

/* One process with its threads. */
static void storm(u64 seed)
{
	pthread_t t[THREADS + 1];
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};

	sigaction(SIGUSR1, &sa, 0);
	signal(SIGCHLD, SIG_IGN);
	for (u64 i = 0; i < THREADS; i++)
		pthread_create(&t[i], 0, draws, (void *)(seed * THREADS + i + 1));
	pthread_create(&t[THREADS], 0, disturbs, (void *)seed);
	usleep(num("millis") * 1000);
	for (int i = 0; i < 200 && too_little(); i++) /* others have the processors */
		usleep(100000);
	ending = 1;
	for (int i = 0; i <= THREADS; i++)
		pthread_join(t[i], 0);
}

int run_stress(void)
{
	u64 size = 1UL << num("tablebits");
	pid_t pid[2];
	int status;

	all = mmap(0, sizeof(*all) + 8 * size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	all->size = size;
	adopt();
	fflush(stdout);
	/* The second has handlers that don't come back, which cost a slot each. */
	for (int i = 0; i < 2; i++)
		if (!(pid[i] = fork())) {
			jumping = i;
			storm(i + 1);
			u64 left = 0;
			for (u64 s = 0; s < slots_size; s += SLOT_SIZE)
				left += (*(u64 *)(slots + s) & 2) != 0;
			printf("%lu slots are left taken\n", left);
			if (left && !jumping)
				fail("%lu slots are left taken", left);
			fflush(stdout);
			_exit(failures != 0);
		}
	for (int i = 0; i < 2; i++) {
		waitpid(pid[i], &status, 0);
		if (status)
			fail("process %d ended with %x", i, status);
	}
	/* Their children end by themselves. */
	printf("%lu words of %lu calls; %lu handlers, %lu forks, %lu children, %lu jumps, %lu drops\n", all->words, all->calls,
	       all->handlers, all->forks, all->children, all->jumps, all->drops);
	if (all->zeros || all->twice || all->wrong)
		fail("%lu zeros, %lu words came twice, %lu wrong results", all->zeros, all->twice, all->wrong);
	if (too_little())
		fail("too little happened");
	return 0;
}
