// crowd at-once N PROGRAM ARG...   N children execute PROGRAM, which must wait for the
//	end of its standard input; when all are there, it ends, and they do
// crowd in-a-row N PROGRAM ARG...  executes PROGRAM N times, one after the other
// crowd wait                       is such a program: a reflected call, then until end of file
//
// At the end it says how many ended with which status, waits for a line on descriptor
// 3 if that is open, and ends.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static int statuses[256], died;

static void note(int status)
{
	if (WIFEXITED(status))
		statuses[WEXITSTATUS(status)]++;
	else
		died++;
}

int main(int argc, char **argv)
{
	char c;
	if (argc > 1 && !strcmp(argv[1], "wait")) {
		unsigned char b[16];
		if (syscall(SYS_getrandom, b, sizeof b, 0) != sizeof b)
			return 8;
		if (write(1, ".", 1) != 1)
			return 9;
		while (read(0, &c, 1) > 0)
			;
		return syscall(SYS_getrandom, b, sizeof b, 0) == sizeof b ? 6 : 8;
	}
	if (argc < 4)
		return 2;
	int n = atoi(argv[2]), there[2], gate[2], started = 0, ready = 0;
	if (!strcmp(argv[1], "at-once")) {
		if (pipe2(there, O_CLOEXEC) || pipe2(gate, O_CLOEXEC))
			return 3;
		for (; started < n; started++) {
			int pid = fork();
			if (pid < 0)
				break;
			if (pid == 0) {
				dup2(gate[0], 0);
				dup2(there[1], 1);
				execve(argv[3], argv + 3, environ);
				_exit(127);
			}
		}
		close(there[1]);
		for (; ready < started && read(there[0], &c, 1) == 1; ready++)
			;
		close(gate[1]);
		for (int status; wait(&status) > 0;)
			note(status);
		printf("started %d, ready %d\n", started, ready);
	} else {
		for (; started < n; started++) {
			int status = -1, pid = vfork();
			if (pid == 0) {
				execve(argv[3], argv + 3, environ);
				_exit(127);
			}
			waitpid(pid, &status, 0);
			note(status);
		}
	}
	for (int i = 0; i < 256; i++)
		if (statuses[i])
			printf("status %d: %d\n", i, statuses[i]);
	printf("died %d\ndone\n", died);
	fflush(stdout);
	while (read(3, &c, 1) == 1 && c != '\n')
		;
	return 0;
}
