/* generator: what random bytes cost, asked for in several ways in turn.
 *
 *	generator BYTES THREADS ROUNDS MICROSECONDS way...
 *
 * A way is one of
 *
 *	loop		a function that does nothing: what the loop costs
 *	call		the system call
 *	kernel		the kernel's vDSO function
 *	own		a generator of the program's own, see own.h
 *	entry:IMAGE	the vDSO function of that image, see image.h
 *	reflected:IMAGE	its entry in place of a system call; one at most
 *
 * Prints a line for each round: nanoseconds a call, by each way. With THREADS 0
 * a way has a window of about that many microseconds, in whole batches, timed by
 * the time stamp counter. Otherwise that many threads go the same way until they
 * have taken that much processor time, to get into the way's own state, and then
 * half as much; what is printed is processor time for each call, to which others
 * on the machine add nothing. The first tenth of the rounds is not printed.
 */
#define _GNU_SOURCE
#include "image.h"
#include "own.h"
#include <pthread.h>
#include <time.h>

typedef long random_fn(void *, size_t, unsigned, void *, size_t);

enum { WAYS = 12, THREADS = 512, MAX_BYTES = 1 << 20 };

static struct way {
	random_fn *f;
	long calls; /* in a window */
} ways[WAYS];
static int nways;
static size_t bytes;

/* What the query of the kernel's function said about states. */
static struct {
	u32 size, prot, flags, reserved[13];
} params;

u64 reflected_entry;
random_fn nothing, by_call, by_reflected;

/* by_reflected has a system call instruction that is jumped over, as one is that
 * was patched. */
__asm__(".text\n"
	"nothing:\n\tmov %rsi, %rax\n\tret\n"
	"by_call:\n\tmov $318, %eax\n\tsyscall\n\tret\n"
	"by_reflected:\n\tmov $318, %eax\n\tlea 1f(%rip), %rcx\n\tjmp *reflected_entry(%rip)\n"
	"\tsyscall\n1:\tret\n");

static u64 tsc(void)
{
	u32 lo, hi;
	/* lfence: the counter is read when what came before is done. */
	__asm__ volatile("lfence\n\trdtsc\n\tlfence" : "=a"(lo), "=d"(hi) : : "memory");
	return (u64)hi << 32 | lo;
}

static u64 nanoseconds(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ul + t.tv_nsec;
}

/* Zeros in all vector registers, as most programs have in their upper parts:
 * those that know nothing of AVX-512, or clear them. */
static int wide;
static void clear_vectors(void)
{
	if (wide)
		__asm__ volatile(".irp i, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n\t"
				 "vpxord %zmm\\i, %zmm\\i, %zmm\\i\n\t.endr\n\tvzeroall");
}

/* The loop that is measured. A caller looks at the result. */
static __attribute__((noinline)) long call(random_fn *f, long calls, void *buf, size_t n, void *state, size_t size)
{
	long bad = 0;
	for (; calls > 0; calls--)
		bad |= f(buf, n, 0, state, size) ^ n;
	return bad;
}

struct place {
	char *buf;
	void *state;
};

static struct place place(void)
{
	struct place p = { aligned_alloc(4096, (bytes + 4095) & -4096ul) };
	p.state = mmap(NULL, 4096, params.prot, params.flags, -1, 0);
	if (!p.buf || p.state == MAP_FAILED)
		fail("memory");
	memset(p.buf, 0, bytes);
	return p;
}

static void go(int way, long calls, struct place p)
{
	if (call(ways[way].f, calls, p.buf, bytes, p.state, params.size) != 0) {
		fprintf(stderr, "generator: a call by way %d failed\n", way);
		exit(125);
	}
}

static u64 window(int way, long calls, struct place p)
{
	clear_vectors();
	go(way, calls / 8 + 1, p); /* what others left in the caches */
	u64 t = tsc();
	go(way, calls, p);
	return tsc() - t;
}

/* Windows hold whole batches of ours, so that each has as many refills. The
 * calls before the window move its beginning, but not their number. */
static long whole(long calls)
{
	long unit = 1;
	while (bytes <= BATCH && unit * bytes % BATCH != 0)
		unit++;
	return (calls + unit - 1) / unit * unit;
}

static void one(long rounds, long period)
{
	struct place p = place();
	u64 *ticks = calloc(rounds * nways, sizeof *ticks);
	double per_ns;
	u64 ns = nanoseconds(CLOCK_MONOTONIC_RAW), t = tsc();
	for (int w = 0; w < nways; w++)
		window(w, 64, p);
	while (nanoseconds(CLOCK_MONOTONIC_RAW) - ns < 20000000)
		;
	per_ns = (double)(tsc() - t) / (nanoseconds(CLOCK_MONOTONIC_RAW) - ns);
	for (int w = 0; w < nways; w++) {
		long calls = whole(bytes > BATCH ? 4 : 32);
		while (window(w, calls, p) < period * 1000 * per_ns)
			calls *= 2;
		ways[w].calls = calls;
	}
	for (long r = 0; r < rounds; r++)
		for (int w = 0; w < nways; w++)
			ticks[r * nways + w] = window(w, ways[w].calls, p);
	for (long r = rounds / 10; r < rounds; r++)
		for (int w = 0; w < nways; w++)
			printf("%.3f%c", ticks[r * nways + w] / per_ns / ways[w].calls, w + 1 < nways ? ' ' : '\n');
}

static volatile int current; /* the way that all threads go, -1 at the end */
static struct counter {
	volatile u64 calls[WAYS];
	char line[64];
} counters[THREADS];

static void *thread(void *counter)
{
	struct counter *c = counter;
	struct place p = place();
	int way;
	while ((way = current) >= 0) {
		go(way, ways[way].calls, p);
		c->calls[way] += ways[way].calls;
	}
	return NULL;
}

/* Sleeps while the threads take that much processor time, however long others on
 * the machine make that. */
static void spend(long microseconds)
{
	u64 begin = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
	do
		nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
	while (nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - begin < microseconds * 1000);
}

struct sample {
	u64 calls, ns;
};

static struct sample sample(int way, int threads)
{
	struct sample s = { 0, nanoseconds(CLOCK_PROCESS_CPUTIME_ID) };
	for (int i = 0; i < threads; i++)
		s.calls += counters[i].calls[way];
	return s;
}

static void many(int threads, long rounds, long period)
{
	static pthread_t ids[THREADS];
	pthread_attr_t a;
	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 256 << 10);
	for (int w = 0; w < nways; w++)
		ways[w].calls = 64;
	for (int i = 0; i < threads; i++)
		if (pthread_create(&ids[i], &a, thread, &counters[i]) != 0)
			fail("thread");
	for (long r = 0; r < rounds; r++)
		for (int w = 0; w < nways; w++) {
			current = w;
			spend(period);
			struct sample from = sample(w, threads);
			spend(period / 2);
			struct sample to = sample(w, threads);
			if (to.calls == from.calls) {
				fprintf(stderr, "generator: way %d: no call in %ld µs\n", w, period);
				exit(125);
			}
			if (r >= (rounds + 9) / 10)
				printf("%.3f%c", (double)(to.ns - from.ns) / (to.calls - from.calls), w + 1 < nways ? ' ' : '\n');
		}
	current = -1;
	for (int i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
}

static random_fn *choose(const char *way)
{
	const char *what = strchr(way, ':');
	const struct image *image = what ? load(what + 1) : NULL;
	if (image && !generation)
		generation = find(image->base, "__vdso_rng_generation");
	if (image && *way == 'r') {
		reflected_entry = image->base + image->reflected;
		return by_reflected;
	}
	return strcmp(way, "loop") == 0 ? nothing : strcmp(way, "call") == 0 ? by_call : strcmp(way, "own") == 0 ?
	       own_random : find(image ? image->base : getauxval(AT_SYSINFO_EHDR), "__vdso_getrandom");
}

int main(int argc, char **argv)
{
	if (argc < 6 || argc > 5 + WAYS)
		return 125;
	bytes = atol(argv[1]);
	int threads = atoi(argv[2]);
	long rounds = atol(argv[3]), period = atol(argv[4]);
	if (bytes < 1 || bytes > MAX_BYTES || threads < 0 || threads > THREADS || rounds < 2)
		return 125;
	wide = __builtin_cpu_supports("avx512f") != 0;
	expand = wide ? expand_wide : expand_plain;
	random_fn *kernel = find(getauxval(AT_SYSINFO_EHDR), "__vdso_getrandom");
	if (!kernel || kernel(NULL, 0, 0, &params, ~0ul) != 0) {
		fprintf(stderr, "generator: this kernel's vDSO has no getrandom\n");
		return 125;
	}
	for (nways = 0; nways < argc - 5; nways++)
		if (!(ways[nways].f = choose(argv[5 + nways]))) {
			fprintf(stderr, "generator: %s: not there\n", argv[5 + nways]);
			return 125;
		}
	if (!generation) /* for own, which follows it */
		return 125;
	if (threads == 0)
		one(rounds, period);
	else
		many(threads, rounds, period);
	return 0;
}
