/* tiny: the smallest program worth executing.
 *
 *	tiny            exits
 *	tiny N          executes itself N more times, then exits
 *	tiny wait FD    waits until FD is at its end, then exits
 */
#include "bare.h"

static void begin(long *stack)
{
	long argc = stack[0];
	char **argv = (char **)(stack + 1), **envp = argv + argc + 1;
	if (argc > 2 && same(argv[1], "wait")) {
		char c;
		while (call3(__NR_read, number(argv[2]), (long)&c, 1) > 0)
			;
		quit(0);
	}
	long left = argc > 1 ? number(argv[1]) : 0;
	if (left == 0)
		quit(0);
	char digits[20];
	int at = sizeof digits - 1;
	digits[at] = 0;
	for (left--; at == sizeof digits - 1 || left > 0; left /= 10)
		digits[--at] = '0' + left % 10;
	argv[1] = digits + at;
	call3(__NR_execve, (long)argv[0], (long)argv, (long)envp);
	quit(127);
}
