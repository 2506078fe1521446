/* Children that end while signals without SA_RESTART come to them all the time. Prints how many
 * ended otherwise than they said. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_alarm(int sig) { (void)sig; }

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	int otherwise = 0, children = argc > 1 ? atoi(argv[1]) : 300;

	sigaction(SIGALRM, &sa, NULL);
	for (int i = 0; i < children; i++) {
		pid_t pid = fork();
		int status = 0;

		if (pid == 0) {
			setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 20 }, { 0, 20 } }, NULL);
			_exit(7);
		}
		while (waitpid(pid, &status, 0) != pid)
			;
		otherwise += status != 7 << 8;
	}
	printf("%d of %d ended otherwise\n", otherwise, children);
	return 0;
}
