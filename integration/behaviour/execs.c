// exec in all its forms, and what passes through it.
#include "behaviour.h"
#include <pthread.h>
#include <sys/stat.h>

static char **again; // what the child is to say: the behaviour's name, "told", and more

static int told(int argc, char **argv)
{
	if (argc < 3 || strcmp(argv[2], "told"))
		return 0;
	printf("  told %d:", argc - 3);
	for (int i = 3; i < argc; i++)
		printf(" %s", argv[i]);
	int fd = open("/dev/null", O_RDONLY);
	printf("; calls good %d, next descriptor %d\n", calls_ok(), fd);
	return 1;
}

static void child(const char *what, char **argv, long (*exec)(void))
{
	again = (char *[]){ argv[0], argv[1], "told", "a", "b c", "", NULL };
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		printf("%s: %s\n", what, library(exec()));
		_exit(9);
	}
	reap(what, pid);
}

static long by_execve(void) { return execve("/proc/self/exe", again, environ); }
static long by_execv(void) { return execv(again[0], again); }
static long with_no_environment(void) { return execve("/proc/self/exe", again, (char *[]){ NULL }); }
static long with_null_environment(void) { return syscall(SYS_execve, "/proc/self/exe", again, NULL); }
static long by_execveat_path(void) { return syscall(SYS_execveat, AT_FDCWD, "/proc/self/exe", again, environ, 0); }
static long by_descriptor(void) { return fexecve(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), again, environ); }
static long by_directory(void)
{
	char dir[4096];
	char *slash = strrchr(strcpy(dir, again[0]), '/');
	*slash = 0;
	return syscall(SYS_execveat, open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), slash + 1, again, environ, 0);
}
static long by_memory_file(void)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to = memfd_create("program", MFD_CLOEXEC);
	static char b[1 << 20];
	for (ssize_t n; (n = read(from, b, sizeof b)) > 0;)
		if (write(to, b, n) != n)
			return -1;
	return syscall(SYS_execveat, to, "", again, environ, AT_EMPTY_PATH);
}
static long raw_site(void) { return CALL(59, "/proc/self/exe", again, environ, 0); }
static long with_sanitised_descriptors(void)
{
	syscall(SYS_close_range, 3, ~0u, 0);
	return execve("/proc/self/exe", again, environ);
}

BEHAVIOUR(exec_in_its_forms)
{
	if (told(argc, argv))
		return;
	child("execve", argv, by_execve);
	child("execv", argv, by_execv);
	child("no environment", argv, with_no_environment);
	child("NULL for environment", argv, with_null_environment);
	child("execveat", argv, by_execveat_path);
	child("fexecve", argv, by_descriptor);
	child("by its directory", argv, by_directory);
	child("memory file", argv, by_memory_file);
	child("another site", argv, raw_site);
	child("nothing open", argv, with_sanitised_descriptors);
}

static long no_arguments(void) { return execve("/proc/self/exe", (char *[]){ NULL }, environ); }
static long null_arguments(void) { return syscall(SYS_execve, "/proc/self/exe", NULL, environ); }
static long empty_argument(void) { return execve("/proc/self/exe", (char *[]){ "", NULL }, environ); }
BEHAVIOUR(empty_arguments)
{
	// The kernel puts an empty argv[0]; the program then lists its behaviours.
	child("none", argv, no_arguments);
	child("NULL", argv, null_arguments);
	child("empty", argv, empty_argument);
}

static void put(const char *path, const char *text, int mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700);
	if (write(fd, text, strlen(text)) < 0)
		perror(path);
	fchmod(fd, mode);
	close(fd);
}

static long a_script(void) { return execl("./script", "ignored", "x y", "z", NULL); }
static long a_script_of_a_script(void) { return execl("./second", "ignored", "w", NULL); }
static long a_script_by_name(void) { return execlp("script", "ignored", "by PATH", NULL); }
static long a_script_without(void) { return execlp("./third", "third", "arg", NULL); }
BEHAVIOUR(scripts)
{
	put("script", "#!/bin/sh -f\necho script $# \"$1\" \"$2\" $-; exit 4\n", 0755);
	put("second", "#!./script more\n", 0755);
	put("third", "echo no interpreter $1; exit 5\n", 0755);
	child("script", argv, a_script);
	child("script of a script", argv, a_script_of_a_script);
	setenv("PATH", "/no/such:.:/bin", 1);
	child("by name", argv, a_script_by_name);
	child("execlp, no interpreter", argv, a_script_without);
	unlink("script"), unlink("second"), unlink("third");
}

static void failed(const char *what, long r)
{
	const char *e = library(r);
	int fd = open("/dev/null", O_RDONLY);
	printf("%s: %s; next descriptor %d, calls good %d\n", what, e, fd, calls_ok());
	close(fd);
}
BEHAVIOUR(exec_that_fails)
{
	char *const x[] = { "x", NULL };
	put("plain", "#!/bin/sh\n", 0644), put("garbage", "nothing", 0755), put("lost", "#!/no/such\n", 0755);
	put("empty", "", 0755), put("elf", "\177ELF\2\1\1", 0755), put("busy", "#!/bin/sh\n", 0755), put("loop", "#!./loop\n", 0755);
	failed("ENOENT", execve("/no/such", x, environ));
	failed("empty name", execve("", x, environ));
	failed("EACCES", execve("plain", x, environ));
	failed("directory", execve("/", x, environ));
	failed("ENOTDIR", execve("plain/x", x, environ));
	failed("ENOEXEC", execve("garbage", x, environ));
	failed("empty file", execve("empty", x, environ));
	failed("cut ELF", execve("elf", x, environ));
	failed("no interpreter", execve("lost", x, environ));
	failed("loop", execve("loop", x, environ));
	failed("EFAULT", syscall(SYS_execve, 16, x, environ));
	failed("EFAULT in argv", syscall(SYS_execve, "/bin/true", 16, environ));
	failed("EFAULT in envp", syscall(SYS_execve, "/bin/true", x, 16));
	failed("EFAULT in an argument", syscall(SYS_execve, "/bin/true", (char *[]){ "x", (char *)16, NULL }, environ));
	int fd = open("busy", O_WRONLY);
	failed("ETXTBSY", execve("busy", x, environ));
	close(fd);
	char *big = malloc(200 << 10);
	memset(big, 'a', (200 << 10) - 1), big[(200 << 10) - 1] = 0;
	failed("E2BIG", execve("/bin/true", (char *[]){ "x", big, NULL }, environ));
	failed("ENAMETOOLONG", execve(big, x, environ));
	failed("EBADF", syscall(SYS_execveat, 99, "x", x, environ, 0));
	failed("EINVAL", syscall(SYS_execveat, AT_FDCWD, "/bin/true", x, environ, 0x800000));
	failed("not by AT_EMPTY_PATH", syscall(SYS_execveat, AT_FDCWD, "", x, environ, 0));
	failed("another site", CALL(59, "/no/such", x, environ, 0) == -ENOENT ? 0 : 1);
	static const char *const names[] = { "plain", "garbage", "lost", "empty", "elf", "busy", "loop" };
	for (int i = 0; i < 7; i++)
		unlink(names[i]);
}

BEHAVIOUR(descriptors_through_exec)
{
	if (argc > 2) {
		for (int fd = 0; fd < 40; fd++) {
			int flags = fcntl(fd, F_GETFD);
			if (flags >= 0)
				printf(" %d:%d", fd, flags);
		}
		printf("; calls good %d\n", calls_ok());
		return;
	}
	for (int i = 0; i < 6; i++)
		fcntl(0, i & 1 ? F_DUPFD_CLOEXEC : F_DUPFD, 5 + 5 * i);
	syscall(SYS_close_range, 20, 25, 4 /* CLOSE_RANGE_CLOEXEC */);
	execl("/proc/self/exe", argv[0], argv[1], "x", NULL);
}

static void say_self(void)
{
	sigset_t now, pending;
	struct sigaction a, b;
	struct rlimit l;
	char dir[100] = "", name[16];
	sigprocmask(SIG_BLOCK, NULL, &now);
	sigpending(&pending);
	sigaction(SIGUSR1, NULL, &a);
	sigaction(SIGUSR2, NULL, &b);
	getrlimit(RLIMIT_NOFILE, &l);
	if (!getcwd(dir, sizeof dir))
		perror("getcwd");
	prctl(PR_GET_NAME, name);
	mode_t m = umask(0);
	printf("blocked %d, pending %d, ignored %d, default %d, umask %o, limit %lu, in %s, leads its group %d, its session %d, alarm %d, FOO=%s\n",
	       sigismember(&now, 40), sigismember(&pending, 40), a.sa_handler == SIG_IGN, b.sa_handler == SIG_DFL, m, (unsigned long)l.rlim_cur, dir,
	       getpgrp() == getpid(), getsid(0) == getpid(), alarm(0) > 90, getenv("FOO"));
	umask(m);
	char set[64] = "";
	sched_getaffinity(0, sizeof set, (void *)set);
	printf("dumpable %d, keeps %ld, nice %d, cpus %d, timer slack %d, subreaper none\n", prctl(PR_GET_DUMPABLE),
	       (long)prctl(PR_GET_KEEPCAPS), (int)syscall(SYS_getpriority, 0, 0), set[0], prctl(PR_GET_TIMERSLACK));
}
static void on_user(int sig) { UNUSED(sig); }
BEHAVIOUR(state_through_exec)
{
	if (argc > 2) {
		say_self();
		printf("calls good %d\n", calls_ok());
		return;
	}
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, 40);
	sigprocmask(SIG_BLOCK, &s, NULL);
	raise(40);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, on_user);
	umask(027);
	struct rlimit l = { 123, 456 };
	setrlimit(RLIMIT_NOFILE, &l);
	setenv("FOO", "bar", 1);
	if (chdir("/"))
		return;
	alarm(100);
	prctl(PR_SET_TIMERSLACK, 123456);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		setsid();
		prctl(PR_SET_TIMERSLACK, 123456);
		alarm(100);
		raise(40);
		say_self();
		alarm(100);
		execl("/proc/self/exe", argv[0], argv[1], "x", NULL);
		_exit(9);
	}
	reap("child", pid);
}

static char **argv_of_thread;
static int pid_before;
static void *executes(void *arg)
{
	UNUSED(arg);
	char id[16];
	quiet_ok();
	snprintf(id, sizeof id, "%d", pid_before);
	execl(argv_of_thread[0], argv_of_thread[0], argv_of_thread[1], id, NULL); // /proc/self is gone with the leader
	_exit(9);
}
static void *busy(void *arg)
{
	for (;;)
		quiet_ok();
	return arg;
}
// The thread that executes takes the process's number, whoever leads.
BEHAVIOUR(exec_by_another_thread)
{
	if (argc > 2) {
		printf("the same process %d, its leader %d, calls good %d\n", atoi(argv[2]) == getpid(), getpid() == gettid(), calls_ok());
		return;
	}
	argv_of_thread = argv;
	for (int i = 0; i < 6; i++) {
		fflush(stdout);
		pid_t pid = fork();
		if (pid == 0) {
			pthread_t t;
			pid_before = getpid();
			for (int j = 0; j < (i & 1) * 3; j++)
				pthread_create(&t, NULL, busy, NULL);
			pthread_create(&t, NULL, executes, NULL);
			if (i >= 4)
				syscall(SYS_exit, 0);
			for (;;)
				quiet_ok();
		}
		reap("child", pid);
	}
}

// vfork and exec, many times: what each exec takes must be given back.
BEHAVIOUR(a_loop_of_execs)
{
	if (argc > 2) {
		int n = atoi(argv[2]), fd = open("/dev/null", O_RDONLY);
		if (n == 0) {
			printf("next descriptor %d, calls good %d\n", fd, calls_ok());
			return;
		}
		close(fd);
		char next[16];
		snprintf(next, sizeof next, "%d", n - 1);
		execl("/proc/self/exe", argv[0], argv[1], next, NULL);
		return;
	}
	execl("/proc/self/exe", argv[0], argv[1], "20", NULL);
}
