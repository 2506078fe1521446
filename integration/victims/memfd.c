// memfd PROGRAM: executes a copy of PROGRAM, which prints its arguments, from
// memory: through fexecve, execveat and /proc, with the descriptor kept and closed.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int copy(const char *from, unsigned flags)
{
	char buf[65536];
	int in = open(from, O_RDONLY | O_CLOEXEC), out = memfd_create("copy", flags);
	ssize_t n;
	while ((n = read(in, buf, sizeof buf)) > 0)
		if (write(out, buf, n) != n)
			abort();
	close(in);
	if (flags & MFD_ALLOW_SEALING)
		fcntl(out, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	return out;
}

static void child(const char *way, const char *program, unsigned flags)
{
	fflush(stdout);
	int pid = fork(), status = 0;
	if (pid == 0) {
		int fd = copy(program, flags);
		char *args[] = { (char *)way, "child", "33", "0", NULL }, path[64];
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		if (!strcmp(way, "fexecve"))
			fexecve(fd, args, environ);
		else if (!strcmp(way, "execveat"))
			syscall(SYS_execveat, fd, "", args, environ, AT_EMPTY_PATH);
		else if (!strcmp(way, "execveat, no environment"))
			syscall(SYS_execveat, fd, "", args, NULL, AT_EMPTY_PATH);
		else
			execve(path, args, environ);
		printf("%s: %s\n", way, strerror(errno));
		fflush(stdout);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	printf("%s, flags %x: status %x\n", way, flags, status);
}

int main(int argc, char **argv)
{
	static const char *const ways[] = { "fexecve", "execveat", "execveat, no environment", "proc" };
	static const unsigned flags[] = { 0, MFD_CLOEXEC, MFD_CLOEXEC | MFD_ALLOW_SEALING };
	for (int p = 1; p < argc; p++)
		for (int w = 0; w < 4; w++)
			for (int f = 0; f < 3; f++)
				child(ways[w], argv[p], flags[f]);
	// By a directory's descriptor, and a script.
	int dir = open("/bin", O_RDONLY | O_DIRECTORY);
	fflush(stdout);
	if (fork() == 0) {
		syscall(SYS_execveat, dir, "echo", (char *[]){ "echo", "by a directory", NULL }, environ, 0);
		_exit(1);
	}
	wait(NULL);
	int script = memfd_create("script", 0);
	if (write(script, "#!/bin/sh\necho by a script $0 $*\n", 33) < 0)
		return 1;
	if (fork() == 0) {
		fexecve(script, (char *[]){ "s", "one", NULL }, environ);
		_exit(1);
	}
	wait(NULL);
	return 0;
}
