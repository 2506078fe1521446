/* herd: many processes that live at once, for what each of them weighs.
 *
 *	herd N program
 *
 * Starts N times `program wait FD`, prints their process ids, and lets them end
 * when its own standard input does.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int hold[2];
	char fd[12], c;
	if (argc != 3 || pipe2(hold, O_CLOEXEC) != 0)
		return 125;
	int given = dup(hold[0]);
	snprintf(fd, sizeof fd, "%d", given);
	char *child[] = { argv[2], "wait", fd, NULL };
	for (int n = atoi(argv[1]); n > 0; n--) {
		pid_t pid = vfork();
		if (pid == 0) {
			execv(child[0], child);
			_exit(127);
		}
		if (pid < 0)
			return 125;
		printf("%d\n", pid);
	}
	printf("ready\n");
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
	close(hold[1]);
	while (wait(NULL) > 0)
		;
	return 0;
}
