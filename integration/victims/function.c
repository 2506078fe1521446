// function CALLS: makes CALLS getrandom calls by the C library's function, and prints
// how many came back whole.
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

int main(int argc, char **argv)
{
	unsigned char b[16];
	int whole = 0;
	for (int i = argc > 1 ? atoi(argv[1]) : 0; i > 0; i--)
		whole += getrandom(b, sizeof b, 0) == sizeof b;
	printf("%d whole\n", whole);
	return 0;
}
