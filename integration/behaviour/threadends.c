// Ends of threads: cancellation in its forms, exits, and who goes first.
#include "behaviour.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

static atomic_int good, cleaned, begun;
static int pipes[2];

static void *some_calls(void *arg)
{
	for (int i = 0; i < 5; i++)
		good += quiet_ok();
	return arg;
}

static sem_t sem;

static void clean(void *arg)
{
	UNUSED(arg);
	cleaned += quiet_ok() ? 1 : 100;
}
static void *cancelled(void *arg)
{
	char c;
	pthread_cleanup_push(clean, NULL);
	pthread_cleanup_push(clean, NULL);
	begun = 1;
	switch ((long)arg) {
	case 0: c = read(pipes[0], &c, 1); break;
	case 1: sleep_ms(20000); break;
	case 2: pause(); break;
	case 3: for (;;) {
			quiet_ok();
			pthread_testcancel();
		}
	case 4:
		pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
		for (;;)
			good += 0;
	case 5: sem_wait(&sem); break;
	case 6: wait(NULL); break;
	}
	pthread_cleanup_pop(1);
	pthread_cleanup_pop(1);
	return NULL;
}
BEHAVIOUR(cancellation)
{
	static const char *const ways[] = { "read", "nanosleep", "pause", "a loop of calls", "asynchronous", "semaphore", "wait" };
	sem_init(&sem, 0, 0);
	if (pipe(pipes))
		return;
	pid_t child = fork();
	if (child == 0)
		for (;;)
			pause();
	for (long i = 0; i < 7; i++) {
		pthread_t t;
		void *r;
		begun = cleaned = 0;
		pthread_create(&t, NULL, cancelled, (void *)i);
		while (!begun)
			sched_yield();
		sleep_ms(3);
		int c = pthread_cancel(t), j = pthread_join(t, &r);
		printf("%s: %d %d, cancelled %d, cleaned up %d\n", ways[i], c, j, r == PTHREAD_CANCELED, cleaned);
	}
	kill(child, SIGKILL);
	reap("the child", child);
}

static void *disabled(void *arg)
{
	char c;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	begun = 1;
	long r = read(pipes[0], &c, 1);
	good = quiet_ok();
	begun = 2;
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	pthread_testcancel();
	return arg + r;
}
BEHAVIOUR(cancellation_disabled)
{
	pthread_t t;
	void *r;
	if (pipe(pipes))
		return;
	pthread_create(&t, NULL, disabled, NULL);
	while (!begun)
		sched_yield();
	pthread_cancel(t);
	sleep_ms(3);
	printf("still reading %d\n", begun == 1);
	if (write(pipes[1], "x", 1) != 1)
		return;
	pthread_join(t, &r);
	printf("read first %d, then cancelled %d, good %d\n", begun == 2, r == PTHREAD_CANCELED, good);
}

static void *ends_thread(void *arg)
{
	good += quiet_ok();
	if (arg)
		syscall(SYS_exit, 7);
	pthread_exit((void *)5);
}
static void leader_leaves(void)
{
	pthread_t t;
	pthread_create(&t, NULL, some_calls, NULL);
	pthread_exit(NULL);
}
static void *ends_group(void *arg)
{
	UNUSED(arg);
	quiet_ok();
	_exit(42);
}
static void group_ended_by_thread(void)
{
	pthread_t t;
	pthread_create(&t, NULL, ends_group, NULL);
	for (;;)
		quiet_ok();
}
static void *crashes(void *arg) { return *(void *volatile *)(arg == NULL ? 0 : arg); }
static void thread_crashes(void)
{
	pthread_t t;
	struct rlimit none = { 0, 0 };
	setrlimit(RLIMIT_CORE, &none);
	pthread_create(&t, NULL, crashes, NULL);
	for (;;)
		quiet_ok();
}
static void *returns_late(void *arg)
{
	sleep_ms(10);
	_exit(quiet_ok() ? 33 : 34);
	return arg;
}
static void leader_leaves_by_itself(void)
{
	pthread_t t;
	pthread_create(&t, NULL, returns_late, NULL);
	syscall(SYS_exit, 1);
}
BEHAVIOUR(ends_of_threads)
{
	pthread_t t;
	void *r;
	pthread_create(&t, NULL, ends_thread, NULL);
	pthread_join(t, &r);
	printf("pthread_exit: %ld\n", (long)r);
	pthread_create(&t, NULL, ends_thread, (void *)1);
	pthread_join(t, NULL);
	printf("exit of one thread, %d good\n", good);
	in_child("leader first", leader_leaves);
	in_child("leader first, by the call itself", leader_leaves_by_itself);
	in_child("_exit by a thread", group_ended_by_thread);
	in_child("crash of a thread", thread_crashes);
}
