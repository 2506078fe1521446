// setup [exec|inherit] PROGRAM ARGUMENT...: changes what a process can change
// about itself and what an exec keeps, then executes the program. "inherit" leaves
// out what a fork does not hand on.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

static void limit(int what, rlim_t soft, rlim_t hard)
{
	struct rlimit l = { soft, hard }, old;
	getrlimit(what, &old);
	if (old.rlim_max < l.rlim_max)
		l.rlim_max = old.rlim_max;
	if (l.rlim_cur > l.rlim_max)
		l.rlim_cur = l.rlim_max;
	if (setrlimit(what, &l))
		perror("setrlimit");
}

static void keep(const char *path, int flags, int at)
{
	int fd = open(path, flags);
	if (fd < 0 || dup2(fd, at) < 0)
		perror(path);
	if (fd != at)
		close(fd);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	umask(027);
	limit(RLIMIT_CORE, 0, 1 << 20);
	limit(RLIMIT_STACK, 1 << 20, 2 << 20);
	limit(RLIMIT_FSIZE, 1 << 26, 1 << 27);
	limit(RLIMIT_MEMLOCK, 4096, 8192);
	limit(RLIMIT_MSGQUEUE, 1000, 2000);
	limit(RLIMIT_SIGPENDING, 500, 501);
	keep("/dev/null", O_RDONLY, 7);
	keep("/dev/zero", O_RDWR | O_APPEND, 43);
	keep("/", O_PATH, 64);
	keep("/etc", O_RDONLY | O_DIRECTORY, 300);
	limit(RLIMIT_NOFILE, 310, 400);
	sigset_t set;
	sigemptyset(&set);
	static const int blocked[] = { SIGUSR1, SIGTERM, SIGCHLD, SIGALRM, SIGSYS, SIGTRAP, SIGURG, 34, 64 };
	for (size_t i = 0; i < sizeof blocked / sizeof *blocked; i++)
		sigaddset(&set, blocked[i]);
	static const int ignored[] = { SIGHUP, SIGINT, SIGPIPE, SIGUSR2, SIGTSTP, SIGURG, SIGWINCH, SIGQUIT, SIGSYS, SIGPROF, 40 };
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN);
	sigprocmask(SIG_SETMASK, &set, NULL);
	if (setpriority(PRIO_PROCESS, 0, 5))
		perror("setpriority");
	prctl(PR_SET_TIMERSLACK, 77777);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0);
	personality(ADDR_NO_RANDOMIZE | STICKY_TIMEOUTS);
	cpu_set_t cpus;
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	sched_setaffinity(0, sizeof cpus, &cpus);
	struct sched_param p = { 0 };
	if (sched_setscheduler(0, SCHED_BATCH, &p))
		perror("sched_setscheduler");
	syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 6);
	prctl(PR_CAPBSET_DROP, 25);
	setenv("SETUP", "done", 1);
	if (!strcmp(argv[1], "exec")) {
		prctl(PR_SET_PDEATHSIG, SIGUSR2);
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		prctl(PR_SET_TSC, PR_TSC_ENABLE);
		struct itimerval t = { { 1000, 0 }, { 2000, 0 } };
		setitimer(ITIMER_REAL, &t, NULL);
		setitimer(ITIMER_PROF, &t, NULL);
		raise(SIGUSR1);
		raise(SIGTERM);
		sigqueue(getpid(), 64, (union sigval){ 7 });
	}
	execv(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
