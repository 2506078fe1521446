// limits soft|hard|close PROGRAM ARGUMENT...: executes PROGRAM with no descriptor
// left below its limit, or with none open at all.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	if (!strcmp(argv[1], "close")) {
		int keep[2] = { fcntl(1, F_DUPFD, 100), fcntl(2, F_DUPFD, 100) };
		int pid = fork(), status;
		if (pid == 0) {
			syscall(SYS_close_range, 0, ~0u, 0);
			execve(argv[2], argv + 2, environ);
			_exit(90);
		}
		waitpid(pid, &status, 0);
		syscall(SYS_close_range, 0, 99, 0);
		dup2(keep[0], 1);
		dup2(keep[1], 2);
		syscall(SYS_close_range, 3, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */);
		printf("the child that closed everything: %x\n", status);
		fflush(stdout);
		execve(argv[2], argv + 2, environ);
		return 90;
	}
	struct rlimit l;
	getrlimit(RLIMIT_NOFILE, &l);
	l.rlim_cur = 20;
	if (!strcmp(argv[1], "hard"))
		l.rlim_max = 20;
	setrlimit(RLIMIT_NOFILE, &l);
	int n = 0;
	while (open("/dev/null", O_RDONLY) >= 0)
		n++;
	printf("%d more descriptors, then %s\n", n, strerror(errno));
	fflush(stdout);
	execve(argv[2], argv + 2, environ);
	printf("%s: %s\n", argv[2], strerror(errno));
	return 90;
}
