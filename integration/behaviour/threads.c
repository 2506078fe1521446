// Threads: storage, locks, signals, and what concerns all of them at once.
#include "behaviour.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

static atomic_int good, cleaned, begun;

static void *some_calls(void *arg)
{
	for (int i = 0; i < 5; i++)
		good += quiet_ok();
	return arg;
}

BEHAVIOUR(create_and_join)
{
	pthread_t t[8];
	long sum = 0;
	for (long i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, some_calls, (void *)i);
	for (int i = 0; i < 8; i++) {
		void *r;
		pthread_join(t[i], &r);
		sum += (long)r;
	}
	printf("results add up to %ld, %d good\n", sum, good);
}

BEHAVIOUR(sixty_four_threads)
{
	pthread_t t[64];
	int failed = 0;
	for (int i = 0; i < 64; i++)
		failed += pthread_create(&t[i], NULL, some_calls, NULL) != 0;
	for (int i = 0; i < 64; i++)
		pthread_join(t[i], NULL);
	printf("%d failed, %d good\n", failed, good);
}

static sem_t sem;
static void *posts(void *arg)
{
	good += quiet_ok();
	sem_post(&sem);
	return arg;
}
BEHAVIOUR(detached_threads)
{
	pthread_t t;
	sem_init(&sem, 0, 0);
	for (int i = 0; i < 30; i++) {
		pthread_create(&t, NULL, posts, NULL);
		pthread_detach(t);
	}
	for (int i = 0; i < 30; i++)
		sem_wait(&sem);
	printf("%d good\n", good);
}

static __thread long own[4] = { 1, 2, 3, 4 };
static pthread_key_t key;
static void destroy(void *p) { cleaned += quiet_ok() + (long)p; }
static void *storage(void *arg)
{
	long n = (long)arg;
	pthread_setspecific(key, (void *)n);
	for (int i = 0; i < 50; i++) {
		own[i & 3] += n;
		good += quiet_ok();
	}
	return (void *)(own[0] + own[1] + own[2] + own[3]);
}
BEHAVIOUR(thread_storage)
{
	pthread_t t[6];
	pthread_key_create(&key, destroy);
	for (long i = 0; i < 6; i++)
		pthread_create(&t[i], NULL, storage, (void *)(i + 1));
	for (int i = 0; i < 6; i++) {
		void *r;
		pthread_join(t[i], &r);
		printf("%ld ", (long)r);
	}
	printf("%d good, destructors %d\n", good, cleaned);
}

static pthread_mutex_t mutex;
static void *leaves_it(void *arg)
{
	pthread_mutex_lock(&mutex);
	good += quiet_ok();
	return arg;
}
BEHAVIOUR(robust_mutex)
{
	pthread_mutexattr_t a;
	pthread_t t;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&mutex, &a);
	pthread_create(&t, NULL, leaves_it, NULL);
	pthread_join(t, NULL);
	printf("%s, ", strerror(pthread_mutex_lock(&mutex)));
	printf("%s, ", strerror(pthread_mutex_consistent(&mutex)));
	pthread_mutex_unlock(&mutex);
	printf("%s\n", strerror(pthread_mutex_lock(&mutex)));
}

static pthread_barrier_t barrier;
static void *asks(void *arg)
{
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	*(long *)arg = geteuid() * 100000 + getegid();
	good += CALL(NR_PRIORITY_MAX, 1, 0, 0, 0) == 99;
	return NULL;
}
// The library sends a signal of its own (SIGSETXID) to all threads.
static void becomes_another(void)
{
	pthread_t t[5];
	long r[5] = { 0 };
	pthread_barrier_init(&barrier, NULL, 6);
	for (int i = 0; i < 5; i++)
		pthread_create(&t[i], NULL, asks, &r[i]);
	pthread_barrier_wait(&barrier);
	printf("%s ", library(setresgid(-1, getuid() ? getgid() : 4321, -1)));
	printf("%s\n", library(setresuid(-1, getuid() ? getuid() : 1234, -1)));
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 5; i++) {
		pthread_join(t[i], NULL);
		printf("%ld ", r[i]);
	}
	printf("good %d\n", good);
}
BEHAVIOUR(user_changes_in_all_threads) { in_child("child", becomes_another); }

static volatile int handled_here, handled_total;
static __thread int mine;
static void on_user(int sig, siginfo_t *info, void *context)
{
	UNUSED(sig), UNUSED(info), UNUSED(context);
	handled_total += quiet_ok();
	handled_here += mine;
}
static void *waits(void *arg)
{
	mine = (long)arg == 2;
	pthread_barrier_wait(&barrier);
	while (begun < 1)
		quiet_ok();
	return NULL;
}
BEHAVIOUR(signal_to_one_thread)
{
	pthread_t t[4];
	handle(SIGUSR1, on_user, SA_RESTART);
	pthread_barrier_init(&barrier, NULL, 5);
	for (long i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, waits, (void *)i);
	pthread_barrier_wait(&barrier);
	for (int i = 1; i <= 20; i++) {
		pthread_kill(t[2], SIGUSR1);
		for (int j = 0; handled_total < i && j < 5000; j++)
			sleep_ms(1);
	}
	begun = 1;
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	printf("%d handled, %d by the right thread\n", handled_total, handled_here);
}

// Each thread has a mask and an alternate stack of its own.
static void *says_own(void *arg)
{
	sigset_t s, now;
	stack_t st, got;
	sigemptyset(&s);
	sigaddset(&s, 40 + (int)(long)arg);
	pthread_sigmask(SIG_SETMASK, &s, NULL);
	st.ss_sp = malloc(32768), st.ss_size = 32768 + (long)arg * 0, st.ss_flags = 0;
	sigaltstack(&st, NULL);
	for (int i = 0; i < 20; i++)
		good += quiet_ok();
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	sigaltstack(NULL, &got);
	return (void *)(long)(sigismember(&now, 40 + (int)(long)arg) && !sigismember(&now, 41 + (int)(long)arg) && got.ss_sp == st.ss_sp);
}
BEHAVIOUR(masks_and_stacks_of_threads)
{
	pthread_t t[6];
	for (long i = 0; i < 6; i++)
		pthread_create(&t[i], NULL, says_own, (void *)i);
	for (int i = 0; i < 6; i++) {
		void *r;
		pthread_join(t[i], &r);
		printf("%ld ", (long)r);
	}
	sigset_t now;
	stack_t got;
	sigprocmask(SIG_SETMASK, NULL, &now);
	sigaltstack(NULL, &got);
	printf("good %d, main's: %d %d\n", good, sigismember(&now, 40), got.ss_flags);
}

// Threads that draw, while others start and end and one forks.
static void *draws_until(void *arg)
{
	while (!begun)
		good += !quiet_ok();
	return arg;
}
BEHAVIOUR(threads_while_others_come_and_go)
{
	pthread_t t[3], u;
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, draws_until, NULL);
	int status, bad = 0;
	for (int i = 0; i < 40; i++) {
		pthread_create(&u, NULL, some_calls, NULL);
		pthread_join(u, NULL);
		pid_t p = fork();
		if (p == 0)
			_exit(!quiet_ok());
		waitpid(p, &status, 0);
		bad += status != 0;
	}
	begun = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	printf("%d children wrong, %d good\n", bad, good);
}

static void *sets_name(void *arg)
{
	char name[16] = "";
	prctl(PR_SET_NAME, arg);
	good += quiet_ok();
	prctl(PR_GET_NAME, name);
	printf("thread %s\n", name);
	return NULL;
}
BEHAVIOUR(names_and_ids)
{
	pthread_t t;
	char name[16] = "";
	pthread_create(&t, NULL, sets_name, "another");
	pthread_join(t, NULL);
	prctl(PR_GET_NAME, name);
	printf("main %s, its number is the process's %d\n", name, getpid() == gettid());
}
