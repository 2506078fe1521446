/*
 * Unmaps its vDSO, as valgrind does before it runs a program, and goes on making
 * system calls. Nothing of the C library's that calls the vDSO may run then.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	unsigned long vdso = getauxval(AT_SYSINFO_EHDR), start, end;
	char line[512], bytes[16];
	FILE *maps = fopen("/proc/self/maps", "r");
	int good = 0, i;

	while (maps && fgets(line, sizeof line, maps))
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && start == vdso)
			break;
	if (!maps || start != vdso || munmap((void *)start, end - start)) {
		perror("unmap the vDSO");
		return 1;
	}
	for (i = 0; i < 1000; i++)
		good += syscall(SYS_getrandom, bytes, sizeof bytes, 0) == sizeof bytes;
	printf("getrandom %d\n", good);
	return 0;
}
