// copied FILE: draws random bytes, and then some more for each SIGUSR1, which it appends
// to the file, a line in hexadecimal each time. It has no descriptors of others, so that
// it can be dumped and restored.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

static void draw(const char *path)
{
	unsigned char b[16];
	char line[40];
	int at = 0, fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (getrandom(b, sizeof b, 0) != sizeof b)
		at = sprintf(line, "getrandom failed: %m");
	else
		for (unsigned i = 0; i < sizeof b; i++)
			at += sprintf(line + at, "%02x", b[i]);
	line[at++] = '\n';
	if (write(fd, line, at) != at)
		_exit(1);
	close(fd);
}

int main(int argc, char **argv)
{
	sigset_t set;
	int sig;
	if (argc != 2)
		return 2;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	for (int i = 0; i < 20; i++) // the site is patched by then
		draw(argv[1]);
	while (!sigwait(&set, &sig))
		draw(argv[1]);
	return 1;
}
