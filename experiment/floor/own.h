/* The generator that a program would have of its own, if all that a vDSO gave
 * it was a counter to follow: a batch for each thread, ChaCha20 with fast key
 * erasure, a key from the kernel when the counter moved or after a fork.
 *
 * It may do what the shim's may not: use thread-local memory, vector registers
 * for copies, and stay unusable in signal handlers; so it needs no lock. */
enum { BATCH = 2016, KEY = 32 };

struct own {
	unsigned char batch[BATCH + KEY]; /* the next key stands at the end */
	u64 generation; /* 0 at first, and in a child: the page is wiped */
	u64 used;
};

static __thread struct own *own;
static const volatile u64 *generation; /* __vdso_rng_generation */

typedef u32 v16 __attribute__((vector_size(64)));
typedef unsigned char bytes16 __attribute__((vector_size(16), aligned(1), may_alias));

#define ROTATE(x, n) ((x) << (n) | (x) >> (32 - (n)))
#define QUARTER(a, b, c, d) \
	(a += b, d = ROTATE(d ^ a, 16), c += d, b = ROTATE(b ^ c, 12), \
	 a += b, d = ROTATE(d ^ a, 8), c += d, b = ROTATE(b ^ c, 7))

/* 1024 bytes a unit, 16 blocks at once, a word of all of them in each vector.
 * They are left in that order, since nobody has to find the same bytes. */
#define EXPAND(name, attributes) \
attributes static void name(void *out, size_t units, const void *key) \
{ \
	u32 k[8]; \
	memcpy(k, key, sizeof k); \
	for (u32 unit = 0; unit < units; unit++) { \
		v16 x[16], y[16], zero = { 0 }; \
		for (int i = 0; i < 8; i++) \
			x[4 + i] = zero + k[i]; \
		x[0] = zero + 0x61707865, x[1] = zero + 0x3320646e; \
		x[2] = zero + 0x79622d32, x[3] = zero + 0x6b206574; \
		x[12] = (v16){ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 } + 16 * unit; \
		x[13] = x[14] = x[15] = zero; \
		for (int i = 0; i < 16; i++) \
			y[i] = x[i]; \
		for (int i = 0; i < 10; i++) { \
			QUARTER(y[0], y[4], y[8], y[12]); \
			QUARTER(y[1], y[5], y[9], y[13]); \
			QUARTER(y[2], y[6], y[10], y[14]); \
			QUARTER(y[3], y[7], y[11], y[15]); \
			QUARTER(y[0], y[5], y[10], y[15]); \
			QUARTER(y[1], y[6], y[11], y[12]); \
			QUARTER(y[2], y[7], y[8], y[13]); \
			QUARTER(y[3], y[4], y[9], y[14]); \
		} \
		for (int i = 0; i < 16; i++) { \
			y[i] += x[i]; \
			memcpy((char *)out + 1024 * (size_t)unit + 64 * i, &y[i], 64); \
		} \
	} \
	memset(k, 0, sizeof k); \
	__asm__ volatile("" : : "r"(k) : "memory"); \
}

EXPAND(expand_wide, __attribute__((target("avx512f"))))
EXPAND(expand_plain, )
static void (*expand)(void *, size_t, const void *);

static __attribute__((noinline, cold)) int own_begin(void)
{
	own = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return own != MAP_FAILED && madvise(own, 4096, MADV_WIPEONFORK) == 0;
}

static __attribute__((noinline)) int own_refill(struct own *o)
{
	u64 now = *generation;
	if (o->generation != now &&
	    syscall(SYS_getrandom, o->batch + BATCH, (size_t)KEY, 0) != KEY)
		return 0;
	o->generation = now;
	expand(o->batch, 2, o->batch + BATCH);
	o->used = 0;
	return 1;
}

/* Copies and erases. */
static inline void hand_out(unsigned char *to, unsigned char *from, size_t n)
{
	const bytes16 zero = { 0 };
	if (n >= 16) {
		bytes16 last = *(bytes16 *)(from + n - 16);
		for (size_t i = 0; i + 16 < n; i += 16) {
			*(bytes16 *)(to + i) = *(bytes16 *)(from + i);
			*(bytes16 *)(from + i) = zero;
		}
		*(bytes16 *)(to + n - 16) = last;
		*(bytes16 *)(from + n - 16) = zero;
	} else
		for (size_t i = 0; i < n; i++) {
			to[i] = from[i];
			from[i] = 0;
		}
}

static long own_random(void *buf, size_t len, unsigned flags, void *state, size_t size)
{
	unsigned char *to = buf, key[KEY];
	size_t left = len, n;
	if (!own && !own_begin())
		return -1;
	struct own *o = own;
again:
	for (; left > 0; to += n, left -= n) {
		if ((o->generation != *generation || o->used == BATCH) && !own_refill(o))
			return -1;
		if (left > BATCH) {
			/* Whole units straight to the buffer, under a key that is used once. */
			n = BATCH - o->used < KEY ? BATCH - o->used : KEY;
			hand_out(key, o->batch + o->used, n);
			o->used += n;
			if (n < KEY) {
				n = 0;
				continue;
			}
			n = left & -1024ul;
			expand(to, n / 1024, key);
			continue;
		}
		n = left < BATCH - o->used ? left : BATCH - o->used;
		hand_out(to, o->batch + o->used, n);
		o->used += n;
	}
	/* The machine was copied meanwhile: so were these bytes. */
	if (o->generation != *generation) {
		to = buf;
		left = len;
		goto again;
	}
	return len;
}
