// Threads are cancelled while they wait in system calls that pass through patched
// sites: the frames are unwound, and destructors and handlers run.
#include <atomic>
#include <cstdio>
#include <ctime>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int pipes[2], sock;
static std::atomic<int> destroyed, cleaned, waiting;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

struct Object {
	~Object() { destroyed++; }
};

static void wait_read() { char c; if (read(pipes[0], &c, 1) < 0) perror("read"); }
static void wait_nanosleep() { timespec t = { 100, 0 }; nanosleep(&t, nullptr); }
static void wait_poll() { pollfd p = { pipes[0], POLLIN, 0 }; poll(&p, 1, -1); }
static void wait_select()
{
	fd_set s;
	FD_ZERO(&s);
	FD_SET(pipes[0], &s);
	select(pipes[0] + 1, &s, nullptr, nullptr, nullptr);
}
static void wait_accept() { accept(sock, nullptr, nullptr); }
static void wait_pause() { pause(); }
static void wait_cond()
{
	pthread_mutex_lock(&mutex);
	pthread_cleanup_push([](void *) { pthread_mutex_unlock(&mutex); }, nullptr);
	for (;;)
		pthread_cond_wait(&cond, &mutex);
	pthread_cleanup_pop(1);
}
// Between calls, in the program's own code.
static void wait_testcancel()
{
	for (;;) {
		for (int i = 0; i < 50; i++)
			getppid();
		pthread_testcancel();
	}
}

static const struct {
	const char *name;
	void (*wait)();
} ways[] = {
	{ "read", wait_read }, { "nanosleep", wait_nanosleep }, { "poll", wait_poll }, { "select", wait_select },
	{ "accept", wait_accept }, { "pause", wait_pause }, { "cond", wait_cond }, { "testcancel", wait_testcancel },
};

static __attribute__((noinline)) void inner(int i)
{
	Object o;
	waiting++;
	ways[i].wait();
}

static void *thread(void *arg)
{
	Object o;
	pthread_cleanup_push([](void *) { cleaned++; }, nullptr);
	inner(*(int *)arg);
	pthread_cleanup_pop(0);
	return nullptr;
}

// Each call from its site more than once, so that that is patched.
static void warm()
{
	int p[2];
	char c = 0;
	if (pipe(p))
		return;
	for (int i = 0; i < 8; i++) {
		timespec t = { 0, 1000 }, at;
		nanosleep(&t, nullptr);
		if (write(p[1], &c, 1) != 1 || read(p[0], &c, 1) != 1)
			perror("pipe");
		pollfd q = { p[0], POLLIN, 0 };
		poll(&q, 1, 0);
		fd_set s;
		FD_ZERO(&s);
		timeval tv = { 0, 1 };
		select(0, &s, nullptr, nullptr, &tv);
		accept(p[0], nullptr, nullptr);
		getppid();
		clock_gettime(CLOCK_REALTIME, &at);
		pthread_mutex_lock(&mutex);
		pthread_cond_timedwait(&cond, &mutex, &at);
		pthread_mutex_unlock(&mutex);
	}
	close(p[0]);
	close(p[1]);
}

int main()
{
	if (pipe(pipes))
		return 1;
	sock = socket(AF_UNIX, SOCK_STREAM, 0);
	sockaddr_un a = { AF_UNIX, "" };
	bind(sock, (sockaddr *)&a, sizeof(sa_family_t));
	listen(sock, 5);
	warm();
	for (int round = 0; round < 4; round++)
		for (int i = 0; i < (int)(sizeof ways / sizeof *ways); i++) {
			destroyed = cleaned = waiting = 0;
			pthread_t t;
			void *how = nullptr;
			if (pthread_create(&t, nullptr, thread, &i))
				return 1;
			while (!waiting)
				sched_yield();
			usleep(1000);
			pthread_cancel(t);
			pthread_join(t, &how);
			printf("%s: %s, %d destroyed, %d cleaned\n", ways[i].name, how == PTHREAD_CANCELED ? "cancelled" : "not cancelled",
			       destroyed.load(), cleaned.load());
			fflush(stdout);
		}
	return 0;
}
