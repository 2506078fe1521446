// Executes what can't be executed, prints why not, and checks that the process was
// left as it was; at last executes something that can be.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void put(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (write(fd, text, strlen(text)) < 0)
		perror(path);
	fchmod(fd, mode);
	close(fd);
}

static void failed(const char *what, int r)
{
	int e = errno, fd = open("/dev/null", O_RDONLY);
	struct sigaction sa;
	sigset_t set;
	unsigned char b[16];
	sigaction(SIGUSR1, NULL, &sa);
	sigprocmask(SIG_BLOCK, NULL, &set);
	printf("%s = %d %s; next descriptor %d, disposition %d, blocked %d, random %ld\n", what, r, strerror(e), fd,
	       sa.sa_handler == SIG_IGN, sigismember(&set, SIGUSR2), syscall(SYS_getrandom, b, 16, 0));
	close(fd);
}

static void *from_thread(void *arg)
{
	failed("by a thread", execve("/no/such", (char *[]){ "x", NULL }, environ));
	return arg;
}

static void vforked(void)
{
	volatile int e = 0;
	int pid = vfork();
	if (pid == 0) {
		execl("/no/such", "x", NULL);
		e = errno;
		_exit(3);
	}
	int status = 0;
	waitpid(pid, &status, 0);
	printf("in a vfork child: %s, status %x\n", strerror(e), status);
}

int main(void)
{
	char *const x[] = { "x", NULL };
	char dir[4096];
	signal(SIGUSR1, SIG_IGN);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	put("noexec", "#!/bin/sh\necho no\n", 0644);
	put("garbage", "this is no program", 0755);
	put("empty", "", 0755);
	put("lost", "#!/no/such/interpreter\n", 0755);
	put("loop", "#!./loop\n", 0755);
	put("elf", "\177ELF\2\1\1", 0755);
	put("busy", "#!/bin/sh\n", 0755);
	put("denied", "#!/bin/sh\n", 0000);
	mkdir("dir", 0755);
	mkdir("closed", 0000);
	if (symlink("circle", "circle"))
		perror("symlink");
	failed("ENOENT", execve("/no/such", x, environ));
	failed("empty path", execve("", x, environ));
	failed("ENOTDIR", execve("noexec/x", x, environ));
	failed("a directory", execve("dir", x, environ));
	failed("ELOOP", execve("circle", x, environ));
	failed("EACCES", execve("noexec", x, environ));
	failed("mode 0", execve("denied", x, environ));
	failed("below a closed directory", geteuid() ? execve("closed/x", x, environ) : (errno = EACCES, -1));
	failed("ENOEXEC", execve("garbage", x, environ));
	failed("empty file", execve("empty", x, environ));
	failed("cut ELF", execve("elf", x, environ));
	failed("no interpreter", execve("lost", x, environ));
	failed("interpreter loop", execve("loop", x, environ));
	failed("EFAULT", syscall(SYS_execve, (char *)16, x, environ));
	failed("EFAULT in argv", syscall(SYS_execve, "/bin/true", (char **)16, environ));
	failed("EFAULT in an argument", syscall(SYS_execve, "/bin/true", (char *[]){ "x", (char *)16, NULL }, environ));
	failed("EFAULT in envp", syscall(SYS_execve, "/bin/true", x, (char **)16));
	int fd = open("busy", O_WRONLY);
	failed("ETXTBSY", execve("busy", x, environ));
	close(fd);
	char *longest = malloc(5000);
	memset(longest, 'a', 4999), longest[4999] = 0;
	failed("ENAMETOOLONG", execve(longest, x, environ));
	size_t big = 200 << 10;
	char *much = malloc(big);
	memset(much, 'a', big - 1), much[big - 1] = 0;
	failed("E2BIG, one argument", execve("/bin/true", (char *[]){ "x", much, NULL }, environ));
	enum { many = 40000 };
	char **args = calloc(many + 1, sizeof *args);
	for (int i = 0; i < many; i++)
		args[i] = longest + 3000;
	failed("E2BIG, all of them", execve("/bin/true", args, environ));
	failed("execveat, EBADF", syscall(SYS_execveat, 99, "x", x, environ, 0));
	failed("execveat, EINVAL", syscall(SYS_execveat, AT_FDCWD, "/bin/true", x, environ, 0x800000));
	failed("execveat of the working directory", syscall(SYS_execveat, AT_FDCWD, "", x, environ, AT_EMPTY_PATH));
	failed("execveat, ELOOP", syscall(SYS_execveat, AT_FDCWD, "circle", x, environ, AT_SYMLINK_NOFOLLOW));
	if (!getcwd(dir, sizeof dir))
		return 1;
	fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put("script", "#!/bin/cat\nhello\n", 0755);
	failed("execveat of a script by a directory that closes", syscall(SYS_execveat, fd, "script", x, environ, 0));
	close(fd);
	char path[9000];
	snprintf(path, sizeof path, "/no/such:%s/dir:%s/closed:/dev/null", dir, dir);
	setenv("PATH", path, 1);
	failed("along PATH, nothing", execvp("true", x));
	snprintf(path, sizeof path, "/no/such:%s", dir);
	setenv("PATH", path, 1);
	failed("along PATH, EACCES", execvp("noexec", x));
	pthread_t t;
	pthread_create(&t, NULL, from_thread, NULL);
	pthread_join(t, NULL);
	for (int i = 0; i < 3; i++)
		vforked();
	chmod("closed", 0700);
	chmod("denied", 0600);
	fflush(stdout);
	setenv("PATH", "/no/such:/also/not:/bin", 1);
	unsetenv("LANG");
	execlp("sh", "sh", "-c", "echo done; trap; exit 9", NULL);
	return 1;
}
