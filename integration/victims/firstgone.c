// Its first thread ends at once; another waits for a line, makes a reflected call,
// and says so.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *other(void *arg)
{
	unsigned char b[16];
	char line[80];
	(void)arg;
	usleep(100000);
	printf("ready\n");
	fflush(stdout);
	if (!fgets(line, sizeof line, stdin))
		exit(3);
	printf("random %ld\n", syscall(SYS_getrandom, b, sizeof b, 0));
	exit(0);
}

int main(void)
{
	pthread_t t;
	if (pthread_create(&t, NULL, other, NULL))
		return 2;
	pthread_exit(NULL);
}
