/* Threads that go the same way at the same time. They are made once, and wait for
 * the next window in a futex. */
enum { THREADS = 256, STACK = 64 << 10 };
#define CLONE_FLAGS (0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 | 0x80000) /* VM FS FILES SIGHAND THREAD SYSVSEM SETTLS */

long clone_thread(u64 flags, void *stack, void *tls, void (*f)(void *), void *arg);
__asm__(".text\n"
	".balign 16\n"
	".type clone_thread, @function\n"
	"clone_thread:\n"
	"	.cfi_startproc\n"
	"	sub $16, %rsi\n"	/* what the thread finds on its stack */
	"	mov %rcx, (%rsi)\n"
	"	mov %r8, 8(%rsi)\n"
	"	mov %rdx, %r8\n"
	"	xor %edx, %edx\n"
	"	xor %r10d, %r10d\n"
	"	mov $56, %eax\n"
	"	syscall\n"
	"	test %rax, %rax\n"
	"	jnz 1f\n"
	"	xor %ebp, %ebp\n"
	"	pop %rax\n"
	"	pop %rdi\n"
	"	call *%rax\n"
	"	hlt\n"
	"1:	ret\n"
	"	.cfi_endproc\n"
	".size clone_thread, . - clone_thread\n");

static struct thread {
	struct place place;
	u64 calls;
	u32 seen; /* the window that it was in last */
	char line[64];
} threads[THREADS];
static int nthreads;
static volatile u32 window_number, running, stop;
static volatile u32 bad;
static int current_way;
static long current_bytes;

static void thread(void *arg)
{
	struct thread *t = arg;
	for (;;) {
		while (window_number == t->seen)
			CALL(__NR_futex, &window_number, 128 /* WAIT, private */, t->seen, 0);
		t->seen = window_number;
		u64 calls = 0;
		do { /* once even where it got no processor before the end */
			if (go(current_way, 16, current_bytes, &t->place) != wanted(current_way, current_bytes))
				bad = 1;
			calls += 16;
		} while (!stop);
		t->calls = calls;
		if (__atomic_sub_fetch(&running, 1, __ATOMIC_ACQ_REL) == 0)
			CALL(__NR_futex, &running, 129 /* WAKE, private */, 1);
	}
}

static int make_threads(int n)
{
	for (; nthreads < n; nthreads++) {
		struct thread *t = &threads[nthreads];
		t->place = place();
		t->seen = window_number;
		char *stack = fresh(STACK);
		long r = clone_thread(CLONE_FLAGS, stack + STACK, thread_memory(), thread, t);
		if (r < 0)
			return r;
	}
	return 0;
}

struct many {
	u64 cycles, calls;
	long status;
};

/* All threads go one way for a while. n must not be less than in a window before. */
static struct many together(int way, long bytes, int n, u64 nanoseconds)
{
	struct many m = { 0, 0, make_threads(n) };
	if (m.status)
		return m;
	current_way = way;
	current_bytes = bytes;
	stop = bad = 0;
	running = nthreads;
	u64 t = tsc();
	window_number++;
	CALL(__NR_futex, &window_number, 129, 0x7fffffff);
	long ts[2] = { nanoseconds / 1000000000, nanoseconds % 1000000000 };
	while (CALL(__NR_nanosleep, ts, ts) == -4)
		;
	stop = 1;
	u32 left;
	while ((left = running) != 0)
		CALL(__NR_futex, &running, 128, left, 0);
	m.cycles = tsc() - t;
	for (int i = 0; i < nthreads; i++)
		m.calls += threads[i].calls;
	m.status = bad ? -1 : 0;
	return m;
}
