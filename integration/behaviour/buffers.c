// Results and errno: bad pointers, flags, lengths, and buffers that are good in part.
#include "behaviour.h"
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>

#define KERNEL 0xffff800000000000
#define NOT_CANONICAL 0x1000000000000000
#define TOP_OF_USER 0x7ffffffff000

// At both sites: of any number, and of its own.
static void draw(const char *what, void *at, size_t n, unsigned flags)
{
	long a = CALL(NR_GETRANDOM, at, n, flags, 0);
	errno = 0;
	long b = syscall(SYS_getrandom, at, n, flags);
	char length[32] = "many";
	if (n < 1 << 20)
		snprintf(length, sizeof length, "%zu", n);
	printf("%s, %s bytes: %s, %s\n", what, length, result(a), library(b));
}

static const char behind[8192] __attribute__((aligned(4096))) = "x";

static char *mapping(int prot)
{
	char *p = pages(3);
	mprotect(p + 4096, 4096, prot);
	return p + 4096;
}

BEHAVIOUR(bad_pointers)
{
	static const size_t sizes[] = { 1, 16, 300, 5000 };
	for (size_t i = 0; i < 4; i++) {
		size_t n = sizes[i];
		draw("NULL", NULL, n, 0);
		draw("-1", (void *)-1, n, 0);
		draw("16", (void *)16, n, 0);
		draw("the kernel's", (void *)KERNEL, n, 0);
		draw("vsyscall", (void *)0xffffffffff600000, n, 0);
		draw("not canonical", (void *)NOT_CANONICAL, n, 0);
		draw("top of user space", (void *)TOP_OF_USER, n, 0);
		draw("just below it", (void *)(TOP_OF_USER - 8), n, 0);
	}
}

BEHAVIOUR(protected_pages)
{
	static const size_t sizes[] = { 1, 16, 300, 5000 };
	char *none = mapping(PROT_NONE), *read = mapping(PROT_READ), *exec = mapping(PROT_READ | PROT_EXEC), *gone = mapping(PROT_READ);
	munmap(gone, 4096);
	for (size_t i = 0; i < 4; i++) {
		draw("PROT_NONE", none + 8, sizes[i], 0);
		draw("PROT_READ", read + 8, sizes[i], 0);
		draw("PROT_EXEC", exec + 8, sizes[i], 0);
		draw("unmapped", gone + 8, sizes[i], 0);
		draw("constant", (void *)(unsigned long)behind, sizes[i], 0);
	}
	printf("the page is still 0: %d\n", read[8] == 0 && read[4095] == 0);
}

// What lies before the page that can't be written is written.
BEHAVIOUR(straddles_a_page_boundary)
{
	static const int before[] = { 1, 7, 8, 15, 16, 63, 64, 65, 100, 1000, 4000 };
	for (int bad = 0; bad < 3; bad++) {
		char *p = mapping(bad == 0 ? PROT_NONE : PROT_READ);
		if (bad == 2)
			munmap(p, 4096);
		for (size_t i = 0; i < sizeof before / sizeof *before; i++)
			for (int after = 1; after < 3000; after = after * 20 + 1) {
				char *from = p - before[i];
				memset(p - 4096, 0, 4096);
				long r = CALL(NR_GETRANDOM, from, before[i] + after, 0, 0);
				int written = 0, early = 0;
				for (int j = 0; j < 4096 - before[i]; j++)
					early += p[j - 4096] != 0;
				for (int j = 0; j < before[i]; j++)
					written += from[j] != 0;
				printf("%d before, %d behind: %s, %s written, %d too early\n", before[i], after, result(r),
				       before[i] < 15 ? "few" : written > before[i] / 2 ? "most" : "little", early);
			}
	}
}

BEHAVIOUR(flags_of_getrandom)
{
	char b[16];
	for (unsigned f = 0; f < 16; f++)
		draw("flags", b, f & 1 ? 16 : 0, f);
	draw("flags -1", b, 16, -1);
	draw("flags -1 and a bad pointer", NULL, 16, -1);
	draw("GRND_RANDOM and a bad pointer", (void *)NOT_CANONICAL, 16, 2);
}

BEHAVIOUR(no_length)
{
	draw("NULL", NULL, 0, 0);
	draw("16", (void *)16, 0, 0);
	draw("the kernel's", (void *)KERNEL, 0, 0);
	draw("not canonical", (void *)NOT_CANONICAL, 0, 0);
	draw("top of user space", (void *)TOP_OF_USER, 0, 0);
	draw("-1", (void *)-1, 0, 0);
	draw("bad flags", NULL, 0, 8);
}

// More than the kernel gives at a time, in a mapping that ends early.
BEHAVIOUR(enormous_length)
{
	char *p = pages(5);
	munmap(p + 4 * 4096, 4096);
	draw("2 GiB", p, 1ul << 31, 0);
	draw("4 GiB and 16", p, (1ul << 32) + 16, 0);
	draw("most of a signed number", p, -1ul >> 1, 0);
	draw("nearly everything", p, -1ul - (unsigned long)p, 0);
	draw("up to the kernel", p, TOP_OF_USER - (unsigned long)p, 0);
	draw("beyond it", p, TOP_OF_USER - (unsigned long)p + 1, 0);
}

static volatile int alarms;
static void on_alarm(int sig, siginfo_t *info, void *context) { alarms++, UNUSED(sig), UNUSED(info), UNUSED(context); }

// The kernel looks for signals after each page.
BEHAVIOUR(signal_interrupts_a_long_draw)
{
	size_t n = 256 << 20;
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	for (int flags = 0; flags < 2; flags++) {
		handle(SIGALRM, on_alarm, flags ? SA_RESTART : 0);
		long r = 0;
		for (int i = 0; i < 7 && (r <= 0 || r == (long)n); i++) { // again, and later, where the signal was first
			struct itimerval t = { { 0, 0 }, { 0, 3000 << i } };
			alarms = 0;
			setitimer(ITIMER_REAL, &t, NULL);
			r = CALL(NR_GETRANDOM, p, n, 0, 0);
		}
		printf("cut short %d, at a page %d, after the signal %d\n", r > 0 && r < (long)n, r % 4096 == 0, alarms == 1);
		madvise(p, n, MADV_DONTNEED);
	}
}

BEHAVIOUR(page_protected_after_use)
{
	char *p = pages(1);
	for (int i = 0; i < 4; i++) {
		draw("writable", p, 100, 0);
		mprotect(p, 4096, i & 1 ? PROT_NONE : PROT_READ);
		draw("protected", p, 100, 0);
		mprotect(p, 4096, PROT_READ | PROT_WRITE);
	}
	draw("writable", p, 4096, 0);
	munmap(p, 4096);
	draw("unmapped", p, 100, 0);
}

// A buffer in a shared mapping, a file's, and past the file's end (SIGBUS to a program
// that touches it, EFAULT from the kernel).
BEHAVIOUR(buffer_in_a_file)
{
	int fd = memfd_create("b", 0);
	if (ftruncate(fd, 4096))
		return;
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), text[64] = "";
	draw("in the file", p, 16, 0);
	printf("read back: %zd, the same %d\n", pread(fd, text, 16, 0), !memcmp(text, p, 16));
	draw("across its end", p + 4090, 16, 0);
	draw("behind its end", p + 4096, 16, 0);
	draw("behind its end", p + 4096, 4096, 0);
}

BEHAVIOUR(stack_grows_by_a_draw)
{
	char *p = (char *)__builtin_frame_address(0) - (256 << 10);
	draw("far below the stack pointer", p, 64, 0);
	draw("farther", p - (256 << 10), 5000, 0);
}

BEHAVIOUR(clock_pointers)
{
	char *read = mapping(PROT_READ), *gone = mapping(PROT_NONE);
	void *const at[] = { NULL, (void *)16, (void *)KERNEL, (void *)NOT_CANONICAL, read, gone, read - 8, (void *)-1 };
	for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
		printf("clock_gettime: %s", result(CALL(NR_CLOCK_GETTIME, CLOCK_REALTIME, at[i], 0, 0)));
		printf(", clock_getres: %s", library(syscall(SYS_clock_getres, CLOCK_MONOTONIC, at[i])));
		printf(", gettimeofday: %s", library(syscall(SYS_gettimeofday, at[i], NULL)));
		printf(", its zone: %s", library(syscall(SYS_gettimeofday, NULL, at[i])));
		printf(", getcpu: %s", library(syscall(SYS_getcpu, NULL, at[i], NULL)));
		long r = syscall(SYS_time, at[i]);
		printf(", time: %s\n", r > 0 ? "the time" : library(r));
	}
}

BEHAVIOUR(clock_ids)
{
	struct timespec t, res;
	static const int ids[] = { -1, -2, -3, -6, -7, -10, -1000000, 12, 13, 99, 0x7fffffff, -0x7fffffff - 1 };
	for (int c = 0; c < 13; c++) {
		memset(&res, 7, sizeof res);
		printf("clock %d: %s %s %s", c, result(CALL(NR_CLOCK_GETTIME, c, &t, 0, 0)), library(clock_gettime(c, &t)),
		       library(clock_getres(c, &res)));
		printf(" %ld\n", (long)res.tv_nsec);
	}
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
		printf("clock %d: %s %s\n", ids[i], result(CALL(NR_CLOCK_GETTIME, ids[i], &t, 0, 0)), library(clock_gettime(ids[i], &t)));
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
		printf("resolution %d: %s %s\n", ids[i], library(syscall(SYS_clock_getres, ids[i], NULL)), library(clock_getres(ids[i], &t)));
}

// No clock runs backwards, whichever way it is asked.
BEHAVIOUR(clocks_agree)
{
	int backwards = 0;
	struct timespec a = { 0 }, b;
	struct timeval v;
	for (int i = 0; i < 200; i++) {
		if (i % 2)
			clock_gettime(CLOCK_REALTIME, &b);
		else if (i % 4)
			syscall(SYS_clock_gettime, CLOCK_REALTIME, &b);
		else {
			syscall(SYS_gettimeofday, &v, NULL);
			b.tv_sec = v.tv_sec, b.tv_nsec = v.tv_usec * 1000 + 999;
		}
		backwards += b.tv_sec < a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec + 1000 < a.tv_nsec);
		a = b;
	}
	long t = time(NULL), u = syscall(SYS_time, NULL);
	printf("%d steps back, time agrees %d\n", backwards, u - t >= -1 && u - t <= 1);
}

BEHAVIOUR(errno_stays_on_success)
{
	char b[16];
	errno = EXDEV;
	syscall(SYS_getrandom, b, 16, 0);
	getppid();
	syscall(SYS_sched_get_priority_max, SCHED_FIFO);
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	printf("errno: %s\n", strerror(errno));
	errno = 0;
	printf("%s", library(syscall(SYS_getpmsg)));
	printf(", errno: %s\n", strerror(errno));
}

BEHAVIOUR(passed_calls_that_fail)
{
	char b[16], *none = mapping(PROT_NONE);
	struct iovec v = { none, 10 };
	struct stat st;
	printf("read of nothing: %s", library(read(-1, b, 1)));
	printf(", write of nothing: %s", library(write(99, b, 1)));
	int p[2];
	if (pipe(p))
		return;
	printf(", write from nowhere: %s", library(write(p[1], none, 10)));
	printf(", writev from nowhere: %s", library(writev(p[1], &v, 1)));
	printf(", writev of nowhere: %s\n", library(syscall(SYS_writev, p[1], none, 2)));
	printf("write: %s", library(write(p[1], "abcdef", 6)));
	printf(", read to nowhere: %s", library(read(p[0], none, 6)));
	printf(", read across: %s", library(read(p[0], none - 3, 6)));
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	printf(", the rest: %s", library(read(p[0], b, 16)));
	printf(", again: %s\n", library(read(p[0], b, 16)));
	printf("stat: %s", library(syscall(SYS_stat, none, &st)));
	printf(", munmap: %s", library(munmap((void *)1, 1)));
	printf(", mprotect: %s", library(mprotect((void *)16, 4096, 0)));
	printf(", kill: %s", library(kill(0x7ffffff0, 0)));
	printf(", no such call: %s, %s", library(syscall(1000)), result(CALL(999, 0, 0, 0, 0)));
	printf(", -1: %s\n", library(syscall(-1)));
}
