// What the behaviours about signals have in common.
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

static void once(int us)
{
	struct itimerval t = { { 0, 0 }, { 0, us } };
	setitimer(ITIMER_REAL, &t, NULL);
}

static sigset_t set_of(int a, int b)
{
	sigset_t s;
	sigemptyset(&s);
	if (a)
		sigaddset(&s, a);
	if (b)
		sigaddset(&s, b);
	return s;
}

static void say_mask(const char *what)
{
	sigset_t now;
	sigprocmask(SIG_BLOCK, NULL, &now);
	printf("%s, blocked:", what);
	for (int s = 1; s < 65; s++)
		if (sigismember(&now, s) == 1)
			printf(" %d", s);
	printf("\n");
}
