/* meter: does the inner loops of `reflect bench`, one window at a time, as it is
 * told on standard input. One such program runs under each mechanism, and they take
 * turns; see package meter, which speaks with it.
 *
 *	meter		serve commands until standard input ends
 *	meter exit	end at once: what starting a program takes, without the program
 *
 * No C library: its start-up would make calls of its own, and a reflected program
 * is to make none but those that are measured. With LIBC defined it is a program
 * that a dynamic loader starts, for measuring the C library's functions.
 */
#include "start.h"
#include "loops.h"
#include "pulse.h"
#include "vdso.h"
#include "floors.h"
#include "ways.h"
#ifndef LIBC
#include "threads.h"
#endif
#include "children.h"

enum operation { PIN, CLOCK, HAVE, WINDOW, LATENCY, SPAWN, FORK, TOGETHER, SELF, END };

struct command {
	u32 operation, way;
	long calls, bytes, value;	/* WINDOW: what a pulse takes at most, alone */
	u32 threads;	/* LATENCY: cycles to subtract; WINDOW: to wait for that at most */
	u32 payload;	/* bytes that follow */
	u32 parts, unused;	/* WINDOW: 0 is 1 */
};

struct answer {
	long status;	/* 0, or what went wrong */
	u64 cycles, value;
	long returned;	/* by the last call */
	u64 payload;	/* bytes that follow */
	/* WINDOW: how long it waited, the slowest pulse before and after a part (pulse.h), and calls in all */
	u64 waited, pulse, calls;
};

enum { PAYLOAD = 1 << 16 };
static char payload[PAYLOAD + 1];

static char *path;	/* our own file's name */

/* Who started us tells us to end, and removes the directory that our file is in, with the two
 * programs. Where it was killed its commands end without a word, and nobody else removes them. (That
 * it is our parent still says nothing: a process closes its files before it leaves its children.) */
static void clean_up(void)
{
	static const char *const names[] = { "meter", "meter-libc" };
	char file[4096];
	int dir = 0, n = 0;
	if (!path || path[0] != '/')
		return;
	for (; path[n] && n < (int)sizeof file - 16; n++)
		if ((file[n] = path[n]) == '/')
			dir = n;
	for (int i = 0; i < 2; i++) {
		int at = dir + 1;
		for (const char *p = names[i]; *p; p++)
			file[at++] = *p;
		file[at] = 0;
		CALL(__NR_unlink, file);
	}
	file[dir] = 0;
	CALL(__NR_rmdir, file);
}

static void take(void *to, size_t n)
{
	for (char *p = to; n > 0;) {
		long r = CALL(__NR_read, 0, p, n);
		if (r == -4)
			continue;
		if (r <= 0) {
			part();
			clean_up();
			quit(0);
		}
		p += r, n -= r;
	}
}

static void give(const void *from, size_t n)
{
	for (const char *p = from; n > 0;) {
		long r = CALL(__NR_write, 1, p, n);
		if (r == -4)
			continue;
		if (r <= 0)
			quit(0);
		p += r, n -= r;
	}
}

static void pin(long cpu, struct answer *a)
{
	static u64 mask[128];
	memset(mask, 0, sizeof mask);
	if (cpu < 0 || cpu >= 64 * 128) {
		a->status = -22;
		return;
	}
	mask[cpu / 64] = 1ul << cpu % 64;
	a->status = CALL(__NR_sched_setaffinity, 0, sizeof mask, mask);
}

/* The counter's value at a time, between value and value + cycles: the closest of
 * a few. */
static void read_clock(struct answer *a)
{
	a->cycles = -1ul;
	for (int i = 0; i < 20; i++) {
		long ts[2];
		u64 t = tsc();
		if (CALL(__NR_clock_gettime, 4 /* MONOTONIC_RAW */, ts) != 0) {
			a->status = -1;
			return;
		}
		u64 width = tsc() - t;
		if (width < a->cycles) {
			a->cycles = width;
			a->value = t;
			a->returned = ts[0] * 1000000000 + ts[1];
		}
	}
}

static struct place mine;

/* What it takes to time a part of a window. */
static u64 reading(void)
{
	static u64 least;
	if (least)
		return least;
	least = -1ul;
	for (int i = 0; i < 64; i++) {
		u64 t = tsc(), took = tsc() - t;
		if (took < least)
			least = took;
	}
	return least;
}

/* Calls to warm up bring back what others have put out of the caches. They are made until the
 * core is ours alone: who serves them is not to have a pause before the window. Others come and go
 * within a window, too: each part of it stands between two pulses, and is made again where these say so,
 * while there is time to wait. */
static void window(struct command *c, struct answer *a)
{
	clear_vectors();
	u64 begin = tsc(), quiet = c->value, overhead = c->parts > 1 ? reading() : 0, warm = 0, alone = chain(), before, t;
	do {
		a->calls += c->calls / 8 + 1;
		go(c->way, c->calls / 8 + 1, c->bytes, &mine);
		before = pulse_in(alone);
		t = tsc();
		if (!warm)
			warm = t;
	} while (before > quiet && t - warm < c->threads);
	a->waited = t - warm;
	long part = c->calls / (c->parts ? c->parts : 1) + 1;
	for (long left = c->calls; left > 0;) {
		long n = left < part ? left : part;
		t = tsc();
		a->returned = go(c->way, n, c->bytes, &mine);
		u64 took = tsc() - t, after = pulse_in(alone), slow = before > after ? before : after;
		a->calls += n;
		before = after;
		if (slow > quiet && a->waited < c->threads) {
			a->waited += tsc() - t;
			continue;
		}
		a->cycles += took - (took > overhead ? overhead : 0);
		left -= n;
		if (a->pulse < slow)
			a->pulse = slow;
	}
	a->value = tsc() - begin - a->cycles;
	if (a->returned != wanted(c->way, c->bytes))
		a->status = -1;
}

/* Each call by itself, counted by what it took: HdrHistogram's buckets, see
 * results.Histogram. Ends after value cycles. */
enum { BUCKETS = 256 + 24 * 128 };
static u32 counts[BUCKETS];

static int bucket(u64 v)
{
	if (v >> 32)
		return BUCKETS - 1;
	int shift = v < 256 ? 0 : 63 - __builtin_clzl(v) - 7;
	return (shift << 7) + (v >> shift);
}

static void latency(struct command *c, struct answer *a)
{
	memset(counts, 0, sizeof counts);
	clear_vectors();
	go(c->way, c->calls < 64 ? c->calls + 1 : 64, c->bytes, &mine);
	u64 begin = tsc(), n = 0;
	do {
		u64 t = tsc();
		go(c->way, 1, c->bytes, &mine);
		t = tsc() - t;
		counts[bucket(t > c->threads ? t - c->threads : 0)]++;
		n++;
	} while ((long)n < c->calls && tsc() - begin < (u64)c->value);
	a->value = n;
	a->payload = sizeof counts;
}

static void obey(struct command *c, struct answer *a)
{
	struct waited w;
	switch (c->operation) {
	case PIN:
		pin(c->value, a);
		break;
	case CLOCK:
		read_clock(a);
		break;
	case HAVE:
		a->status = there(c->way) ? 0 : -1;
		break;
	case WINDOW:
		window(c, a);
		break;
	case LATENCY:
		latency(c, a);
		break;
	case SPAWN:
	case FORK:
		w = c->operation == SPAWN ? spawn(payload) : fork_once();
		a->status = w.status;
		a->cycles = w.cycles;
		break;
	case SELF:
		a->value = self;
		break;
#ifndef LIBC
	case TOGETHER: {
		struct many m = together(c->way, c->bytes, c->threads, c->value);
		a->status = m.status;
		a->cycles = m.cycles;
		a->value = m.calls;
		break;
	}
#endif
	default:
		a->status = -38;
	}
}

static void begin(long *stack)
{
	char **argv = (char **)(stack + 1);
	if (stack[0] > 1 && same(argv[1], "exit"))
		quit(0);
	environment = argv + stack[0] + 1;
	path = argv[0];
	find_ways(stack);
	handle_signals();
	mine = place();
	for (;;) {
		struct command c;
		struct answer a = { 0 };
		take(&c, sizeof c);
		if (c.operation == END) {
			part();
			quit(0);
		}
		if (c.payload > PAYLOAD)
			quit(124);
		take(payload, c.payload);
		payload[c.payload] = 0;
		if (c.operation > HAVE && (c.way >= WAYS || c.bytes < 0 || c.bytes > MAX_BYTES || c.calls < 0))
			a.status = -22;
		else
			obey(&c, &a);
		give(&a, sizeof a);
		if (a.payload)
			give(counts, a.payload);
	}
}
