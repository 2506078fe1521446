// cancelpoint: getrandom where it is a cancellation point, in threads that are cancelled
// in all ways, and calls that sleep, which go the same way. Says how each ended.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 400

static int wrong, fd[2];
static int storm;
static volatile long cleaned, made, in_handler;
#define CHECK(cond, ...) do { if (!(cond) && wrong++ < 20) { printf(__VA_ARGS__); putchar('\n'); fflush(stdout); } } while (0)

static void clean(void *arg) { ++*(volatile long *)arg; }

static void draw(void)
{
	static __thread unsigned char last[16];
	unsigned char b[16];
	ssize_t n = getrandom(b, sizeof b, 0);
	CHECK(n == sizeof b && memcmp(b, last, sizeof b), "getrandom: %zd, %s", n, strerror(errno));
	memcpy(last, b, sizeof b);
	made++;
}

static void *drawing(void *arg)
{
	pthread_cleanup_push(clean, arg);
	for (;;)
		draw();
	pthread_cleanup_pop(0);
	return 0;
}

// Between two calls that are answered in the program one that sleeps until it is
// cancelled: at whatever instruction the signal comes, it has to end that.
static void *sleeping(void *arg)
{
	char c;
	pthread_cleanup_push(clean, arg);
	for (int i = 0;; i++) {
		draw();
		if (i > 50) {
			CHECK(read(fd[0], &c, 1) < 0 && errno == EINTR, "read came back");
		}
	}
	pthread_cleanup_pop(0);
	return 0;
}

static void *asynchronous(void *arg)
{
	pthread_cleanup_push(clean, arg);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, 0);
	for (;;)
		draw();
	pthread_cleanup_pop(0);
	return 0;
}

static void *pending(void *arg)
{
	int old;
	pthread_cleanup_push(clean, arg);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	pthread_cancel(pthread_self());
	for (int i = 0; i < 100; i++)
		draw(); // disabled: it goes on
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
	unsigned char b[16];
	getrandom(b, sizeof b, 0);
	CHECK(0, "a pending cancellation was not acted upon");
	pthread_cleanup_pop(0);
	return 0;
}

// What a masked cancellation has met first, a handler's call: natively, too.
static __thread int met;

#ifdef PTHREAD_CANCEL_MASKED
static void *masked(void *arg)
{
	int old;
	unsigned char b[16];
	pthread_setcancelstate(PTHREAD_CANCEL_MASKED, &old);
	pthread_cancel(pthread_self());
	ssize_t n = getrandom(b, sizeof b, 0);
	if (!met)
		CHECK(n == -1 && errno == ECANCELED, "masked: %zd, %s", n, strerror(errno));
	// Once: then it is disabled.
	draw();
	++*(volatile long *)arg;
	return PTHREAD_CANCELED;
}
#endif

static void handler(int sig)
{
	int saved = errno;
	unsigned char b[8];
	ssize_t n = getrandom(b, sizeof b, 0);
	met |= n < 0 && errno == ECANCELED;
	in_handler += n == sizeof b && sig;
	errno = saved;
}

static void rounds(const char *name, void *(*body)(void *), int cancel, int n)
{
	long before = cleaned, calls = made;
	unsigned seed = 1;
	for (int i = 0; i < n; i++) {
		pthread_t t;
		void *ret = 0;
		if (pthread_create(&t, 0, body, (void *)&cleaned)) {
			CHECK(0, "no thread");
			return;
		}
		if (cancel) {
			struct timespec wait = { 0, rand_r(&seed) % 300000 };
			nanosleep(&wait, 0);
			pthread_cancel(t);
		}
		pthread_join(t, &ret);
		CHECK(ret == PTHREAD_CANCELED, "%s: ended with %p", name, ret);
	}
	// A handler's call may be where a thread is cancelled before it is ready for that.
	int all = cleaned - before == n || storm;
	printf("%s: %d cancelled, %s cleaned, made %s\n", name, n, all ? "all" : "not all", made > calls ? "some" : "none");
	fflush(stdout);
}

int main(void)
{
	if (pipe(fd))
		return 3;
	for (int i = 0; i < 300; i++)
		draw();
	for (; storm < 2; storm++) {
		struct sigaction act = { .sa_handler = handler, .sa_flags = SA_RESTART };
		sigaction(SIGALRM, &act, 0);
		struct itimerval every = { { 0, storm * 300 }, { 0, storm * 300 } };
		setitimer(ITIMER_REAL, &every, 0);
		rounds("drawing", drawing, 1, ROUNDS);
		rounds("sleeping", sleeping, 1, ROUNDS);
		rounds("asynchronous", asynchronous, 1, ROUNDS);
		rounds("pending", pending, 0, ROUNDS);
#ifdef PTHREAD_CANCEL_MASKED
		rounds("masked", masked, 0, ROUNDS);
#endif
	}
	struct itimerval none = {};
	setitimer(ITIMER_REAL, &none, 0);
	printf("%d wrong, handlers %s\n", wrong, in_handler ? "too" : "never");
	return wrong != 0;
}
