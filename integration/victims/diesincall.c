// Dies in a system call, from a site that was patched if calls from it are reflected.
#include <signal.h>

static __attribute__((noinline)) int inner(void)
{
	volatile int n = 0;
	signal(SIGWINCH, SIG_IGN);
	for (int i = 0; i < 50; i++)
		n += raise(SIGWINCH);
	return n + raise(SIGSEGV);
}

int main(void)
{
	return inner() + 1;
}
