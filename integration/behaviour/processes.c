// fork, vfork and posix_spawn, and what parents learn of their children.
#include "behaviour.h"
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>

static atomic_int shared, seen;

BEHAVIOUR(fork_makes_a_copy)
{
	int before = shared = 1;
	for (int i = 0; i < 4; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			shared += 10;
			printf("child %d: calls good %d, %d, parent is the parent %d\n", i, calls_ok(), shared, getppid() > 0);
			_exit(i + 1);
		}
		reap("child", pid);
	}
	printf("%d, unchanged %d, calls good %d\n", shared, shared == before, calls_ok());
}

BEHAVIOUR(parent_and_child_draw_different_bytes)
{
	unsigned char *b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int same = 0;
	for (int i = 0; i < 10; i++) {
		CALL(NR_GETRANDOM, b + 64, 8, 0, 0);
		pid_t pid = fork();
		CALL(NR_GETRANDOM, pid ? b : b + 32, 32, 0, 0);
		if (pid == 0)
			_exit(0);
		waitpid(pid, NULL, 0);
		same += !memcmp(b, b + 32, 32);
	}
	printf("the same: %d\n", same);
}

BEHAVIOUR(vfork_child_changes_memory)
{
	volatile int changed = 0;
	for (volatile int i = 0; i < 5; i++) {
		pid_t pid = vfork();
		if (pid == 0) {
			changed += 1 + !quiet_ok() * 100;
			_exit(i);
		}
		reap("child", pid);
	}
	printf("changed %d times, calls good %d\n", changed, calls_ok());
}

BEHAVIOUR(vfork_and_exec)
{
	for (volatile int i = 0; i < 12; i++) {
		volatile int failed = 0;
		pid_t pid = vfork();
		if (pid == 0) {
			quiet_ok();
			execl(i % 3 == 2 ? "/no/such" : "/bin/sh", "sh", "-c", "exit 7", NULL);
			failed = errno;
			_exit(50);
		}
		int status;
		waitpid(pid, &status, 0);
		printf("%d: status %x, %s\n", i, status, strerror(failed));
	}
}

// The kernel keeps the parent of vfork until the child is gone.
BEHAVIOUR(vfork_parent_waits)
{
	volatile int order = 0;
	pid_t pid = vfork();
	if (pid == 0) {
		sleep_ms(10);
		order = 1;
		_exit(0);
	}
	printf("the child was first: %d\n", order);
	reap("child", pid);
}

BEHAVIOUR(posix_spawn_in_its_forms)
{
	char *const args[] = { "sh", "-c", "echo $0 $#; exit 6", "first", "second", NULL };
	posix_spawnattr_t attr;
	posix_spawn_file_actions_t act;
	sigset_t s;
	pid_t pid = -1;
	int e = posix_spawn(&pid, "/bin/sh", NULL, NULL, args, environ);
	printf("%d ", e), reap("plain", pid);
	posix_spawnattr_init(&attr);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	posix_spawnattr_setsigmask(&attr, &s);
	posix_spawnattr_setsigdefault(&attr, &s);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	posix_spawn_file_actions_init(&act);
	posix_spawn_file_actions_addopen(&act, 7, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addclose(&act, 0);
	e = posix_spawnp(&pid, "sh", &act, &attr, args, environ);
	printf("%d ", e), reap("with attributes", pid);
	e = posix_spawn(&pid, "/no/such", NULL, NULL, args, environ);
	printf("%s\n", strerror(e));
	printf("system: %x\n", system("exit 9"));
	FILE *f = popen("echo out; exit 3", "r");
	char line[20] = "";
	printf("popen: %s", f && fgets(line, sizeof line, f) ? line : "nothing\n");
	printf("pclose: %x\n", pclose(f));
}

static volatile pid_t handler_child;
static void on_fork(int sig, siginfo_t *info, void *context)
{
	UNUSED(sig), UNUSED(info), UNUSED(context);
	pid_t p = fork();
	if (p == 0)
		_exit(quiet_ok() ? 11 : 12);
	handler_child = p;
}
static void on_fork_return(int sig, siginfo_t *info, void *context)
{
	UNUSED(sig), UNUSED(info), UNUSED(context);
	handler_child = fork();
}
BEHAVIOUR(fork_inside_a_handler)
{
	handle(SIGUSR1, on_fork, 0);
	for (int i = 0; i < 3; i++) {
		raise(SIGUSR1);
		reap("child", handler_child);
	}
	// The child returns from the handler too.
	handle(SIGUSR1, on_fork_return, 0);
	raise(SIGUSR1);
	if (handler_child == 0)
		_exit(calls_ok() ? 13 : 14);
	reap("returning child", handler_child);
}

static void *forks(void *arg)
{
	for (int i = 0; i < 10; i++) {
		int status;
		pid_t p = fork();
		if (p == 0)
			_exit(quiet_ok() ? 15 : 16);
		waitpid(p, &status, 0);
		seen += WEXITSTATUS(status) == 15;
	}
	return arg;
}
BEHAVIOUR(threads_that_fork)
{
	pthread_t t[4];
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, forks, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	printf("%d right\n", seen);
}

BEHAVIOUR(descendants)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		for (int depth = 0; depth < 12; depth++) {
			pid_t p = fork();
			if (p) {
				int status;
				waitpid(p, &status, 0);
				_exit(WEXITSTATUS(status) + 1);
			}
		}
		_exit(quiet_ok() ? 100 : 0);
	}
	reap("twelve deep", pid);
}

static volatile int chld;
static void on_child(int sig, siginfo_t *info, void *context)
{
	UNUSED(sig), UNUSED(context);
	if (info->si_code == CLD_EXITED && info->si_status == 5)
		chld++;
}
BEHAVIOUR(children_are_told_of_and_waited_for)
{
	handle(SIGCHLD, on_child, SA_RESTART);
	pid_t pid = fork();
	if (pid == 0)
		_exit(5);
	struct rusage u = { 0 };
	int status = 0;
	pid_t r = wait4(pid, &status, 0, &u);
	printf("waited %d, status %x, usage sane %d, told %d\n", r == pid, status, u.ru_maxrss > 0 && u.ru_maxrss < 1 << 22, chld);
	printf("no more: %s\n", library(wait4(-1, &status, WNOHANG, NULL)));
	signal(SIGCHLD, SIG_IGN);
	if ((pid = fork()) == 0)
		_exit(0);
	printf("ignored: %s\n", library(waitpid(pid, NULL, 0)));
	signal(SIGCHLD, SIG_DFL);
	if ((pid = fork()) == 0)
		for (;;)
			pause();
	int fd = syscall(SYS_pidfd_open, pid, 0);
	printf("kill by descriptor: %s\n", library(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0)));
	reap("killed", pid);
	printf("again: %s\n", library(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0)));
}

// Orphans find a parent, and the child of a dead parent gets its signal.
BEHAVIOUR(orphans)
{
	int p[2];
	char c = 0;
	if (pipe(p))
		return;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid_t pid = fork(), grandchild = 0;
	if (pid == 0) {
		pid_t g = fork();
		if (g == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (write(p[1], "x", 1) != 1)
				_exit(1);
			for (;;)
				pause();
		}
		if (read(p[0], &c, 1) != 1)
			_exit(1);
		_exit(quiet_ok() ? 0 : 1);
	}
	reap("parent", pid);
	int status = 0;
	grandchild = wait(&status);
	printf("adopted %d, status %x\n", grandchild > 0, status);
}
