/* Threads one after the other, each of which asks for random bytes once and ends. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

static void *once(void *unused)
{
	char b[16];
	(void)unused;
	return getrandom(b, sizeof b, 0) == sizeof b ? NULL : (void *)1;
}

int main(int argc, char **argv)
{
	for (int n = argc > 1 ? atoi(argv[1]) : 0; n > 0; n--) {
		pthread_t t;
		void *bad;
		if (pthread_create(&t, NULL, once, NULL) || pthread_join(t, &bad) || bad)
			return 1;
	}
	return 0;
}
