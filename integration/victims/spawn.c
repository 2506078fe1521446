// spawn WAY: starts processes and threads in one of the ways that there are. All of
// them make a reflected call, and some execute this program again as "child N PID",
// which ends with status N and says whether it still has the process id PID.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// musl's compiler has no kernel headers.
struct clone3_args {
	unsigned long flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#define WAIT_PIDFD 3 // P_PIDFD

extern char **environ;
static char *self;
static atomic_int good;

static int random_ok(void)
{
	unsigned char b[32] = { 0 };
	int any = 0;
	if (syscall(SYS_getrandom, b, sizeof b, 0) != sizeof b)
		return 0;
	for (size_t i = 0; i < sizeof b; i++)
		any |= b[i];
	return any != 0;
}

static char **child_args(int n, int pid)
{
	static __thread char number[16], id[16];
	static __thread char *args[5];
	snprintf(number, sizeof number, "%d", n);
	snprintf(id, sizeof id, "%d", pid);
	args[0] = self, args[1] = "child", args[2] = number, args[3] = id;
	return args;
}

static void reap(const char *what, int pid)
{
	int status = -1;
	fflush(stdout);
	int r = waitpid(pid, &status, __WALL);
	printf("%s: waited %d, exited %d with %d, signal %d\n", what, r == pid, WIFEXITED(status), WEXITSTATUS(status), WTERMSIG(status) & 0x7f);
}

static void forks(void)
{
	int pids[8];
	for (int i = 0; i < 8; i++)
		if ((pids[i] = fork()) == 0) {
			if (i % 2)
				execv(self, child_args(i, getpid()));
			_exit(random_ok() ? i : 99);
		}
	for (int i = 0; i < 8; i++)
		reap("fork", pids[i]);
}

static void vforks(void)
{
	for (int i = 0; i < 4; i++) {
		int pid = vfork();
		if (pid == 0) {
			if (!random_ok())
				_exit(99);
			execv(i == 2 ? "/no/such/program" : self, child_args(i, 0));
			_exit(50 + i);
		}
		reap("vfork", pid);
	}
}

static void spawns(void)
{
	int pid = -1, e;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t set;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 5, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, 1, 2);
	posix_spawnattr_init(&attr);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	posix_spawnattr_setsigmask(&attr, &set);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	e = posix_spawn(&pid, self, &actions, &attr, child_args(7, 0), environ);
	printf("posix_spawn %d\n", e);
	reap("posix_spawn", pid);
	e = posix_spawnp(&pid, "true", NULL, NULL, (char *[]){ "true", NULL }, environ);
	printf("posix_spawnp %d\n", e);
	reap("posix_spawnp", pid);
	e = posix_spawn(&pid, "/no/such/program", NULL, NULL, child_args(1, 0), environ);
	printf("posix_spawn of nothing %d\n", e);
	e = posix_spawnp(&pid, "no-such-program", NULL, NULL, child_args(1, 0), environ);
	printf("posix_spawnp of nothing %d\n", e);
	fflush(stdout);
	printf("system %x\n", system("echo by a shell; exit 3"));
	FILE *p = popen("echo by a pipe", "r");
	char line[100] = "";
	printf("popen %s", fgets(line, sizeof line, p));
	printf("pclose %x\n", pclose(p));
}

static void *thread(void *arg)
{
	for (int i = 0; i < 20; i++)
		good += random_ok();
	return arg;
}

static int light(void *arg)
{
	(void)arg;
	good += random_ok();
	return 0;
}

// A thread by clone3 itself, with a stack of its own and nothing of the library's.
static void clone3_thread(void)
{
	static atomic_int done;
	char *stack = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct clone3_args a = { .flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
				.stack = (long)stack, .stack_size = 65536 };
	static unsigned char bytes[16];
	register long size __asm__("rsi") = sizeof a;
	long r;
	// The child makes one getrandom, adds its result to done, and ends.
	__asm__ volatile("syscall\n\ttest %%rax, %%rax\n\tjnz 1f\n\t"
			 "mov $318, %%eax\n\tlea %3, %%rdi\n\tmov $16, %%esi\n\txor %%edx, %%edx\n\tsyscall\n\t"
			 "lock addl %%eax, %2\n\tmov $60, %%eax\n\txor %%edi, %%edi\n\tsyscall\n\thlt\n1:"
			 : "=a"(r), "+r"(size), "+m"(done), "+m"(bytes)
			 : "0"((long)SYS_clone3), "D"(&a)
			 : "rcx", "r11", "rdx", "memory");
	while (r > 0 && !done)
		usleep(1000);
	printf("clone3 thread %d, getrandom %d\n", r > 0, done);
}

static void clone3_process(void)
{
	int pidfd = -1;
	struct clone3_args a = { .flags = CLONE_PIDFD, .pidfd = (long)&pidfd, .exit_signal = SIGCHLD };
	int pid = syscall(SYS_clone3, &a, sizeof a);
	if (pid == 0) {
		execv(self, child_args(11, 0));
		_exit(98);
	}
	siginfo_t si = { 0 };
	int r = waitid(WAIT_PIDFD, pidfd, &si, WEXITED);
	printf("clone3 process: waitid %d, right one %d, code %d, status %d\n", r, si.si_pid == pid, si.si_code, si.si_status);
}

static void threads(void)
{
	pthread_t t[24];
	for (int i = 0; i < 24; i++)
		pthread_create(&t[i], NULL, thread, NULL);
	for (int i = 0; i < 24; i++)
		pthread_join(t[i], NULL);
	printf("threads: %d good calls\n", good);
	clone3_thread();
	clone3_process();
}

static int executes(void *arg)
{
	execv(self, child_args((int)(long)arg, 0));
	return 97;
}

// Children that share memory, and descriptors or not, and are no threads.
static void clone_vm(void)
{
	static const int flags[] = { CLONE_VM, CLONE_VM | CLONE_FILES, CLONE_VM | CLONE_FS | CLONE_FILES, CLONE_VM | CLONE_VFORK,
				     CLONE_VM | CLONE_SIGHAND, CLONE_FILES };
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		char *stack = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		int before = good;
		reap("clone", clone(light, stack + 65536, flags[i] | SIGCHLD, NULL));
		printf("  flags %x, shared memory seen %d\n", flags[i], good - before);
		reap("clone and exec", clone(executes, stack + 65536, flags[i] | SIGCHLD, (void *)(20 + i)));
		int fd = open("/dev/null", O_RDONLY);
		printf("  next descriptor %d\n", fd);
		close(fd);
		munmap(stack, 65536);
	}
	reap("clone without a signal", clone(light, (char *)mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + 65536, CLONE_VM, NULL));
}

static void *executing_thread(void *arg)
{
	execv(self, child_args((int)(long)arg, getpid()));
	_exit(96);
}

static void *busy(void *arg)
{
	for (;;) {
		random_ok();
		if (arg) {
			int pid = fork();
			if (pid == 0)
				_exit(0);
			waitpid(pid, NULL, 0);
		}
	}
	return NULL;
}

static void nonleader(int others)
{
	for (int round = 0; round < 10; round++) {
		fflush(stdout);
		int pid = fork();
		if (pid == 0) {
			pthread_t t;
			for (int i = 0; i < others; i++)
				pthread_create(&t, NULL, busy, (void *)(long)(i & 1));
			usleep(round * 300);
			pthread_create(&t, NULL, executing_thread, (void *)(long)(40 + round));
			pthread_join(t, NULL);
			_exit(95);
		}
		reap("exec by a thread", pid);
	}
}

// The leader ends first, then another thread executes.
static void leaderless(void)
{
	fflush(stdout);
	int pid = fork();
	if (pid == 0) {
		pthread_t t;
		pthread_create(&t, NULL, executing_thread, (void *)60L);
		syscall(SYS_exit, 0);
	}
	reap("exec after the leader's end", pid);
}

static int descend(int depth)
{
	if (depth == 0)
		return random_ok() ? 5 : 94;
	int pid = fork(), status = 0;
	if (pid == 0)
		_exit(descend(depth - 1));
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status) + 1;
}

int main(int argc, char **argv)
{
	self = argv[0];
	const char *way = argc > 1 ? argv[1] : "";
	if (!strcmp(way, "child") && argc == 4) {
		int pid = atoi(argv[3]), fd = open("/dev/null", O_RDONLY);
		printf("child %s, the same process %d, random %d, next descriptor %d\n", argv[2], !pid || pid == getpid(), random_ok(), fd);
		fflush(stdout);
		_exit(atoi(argv[2]));
	}
	if (!strcmp(way, "fork"))
		forks(), printf("depth %d\n", descend(20));
	else if (!strcmp(way, "vfork"))
		vforks();
	else if (!strcmp(way, "posix_spawn"))
		spawns();
	else if (!strcmp(way, "threads"))
		threads();
	else if (!strcmp(way, "clone_vm"))
		clone_vm();
	else if (!strcmp(way, "nonleader"))
		nonleader(0);
	else if (!strcmp(way, "nonleader_busy"))
		nonleader(6);
	else if (!strcmp(way, "leaderless"))
		leaderless();
	else
		return 2;
	return 0;
}
