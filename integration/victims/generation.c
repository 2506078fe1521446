// Follows the generation.
//   print        its value
//   follow       "ready PID", then its value at each change
//   child        the same, in a child of a child, whose parents wait
//   event HOW    waits for the first change, then makes the kernel, or itself, tell
//                of a cloned machine, sets the clock, or does nothing, and says by
//                how much the number changed within half a second
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <unistd.h>
#include "generation.h"

static int fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	return 1;
}

// tell sends a message about a device: by way of the kernel, which passes it on as
// its own (lib/kobject_uevent.c, uevent_net_rcv_skb), or to the group directly.
static int tell(int by_kernel, const char *text, size_t size)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_groups = by_kernel ? 0 : 1 };
	struct {
		struct nlmsghdr header;
		char text[512];
	} m = { .header = { .nlmsg_len = NLMSG_HDRLEN + size, .nlmsg_flags = NLM_F_REQUEST, .nlmsg_type = 16 } };
	int s = socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);
	memcpy(m.text, text, size);
	const void *from = by_kernel ? (void *)&m : (void *)text;
	size_t n = by_kernel ? NLMSG_HDRLEN + size : size;
	if (s < 0 || sendto(s, from, n, 0, (struct sockaddr *)&to, sizeof to) != (ssize_t)n)
		return fail("send");
	return close(s);
}

#define CLONE "change@/devices/platform/VMGENCTR:00\0ACTION=change\0DEVPATH=/devices/platform/VMGENCTR:00\0SUBSYSTEM=platform\0"

static int event(const char *how)
{
	static const char yes[] = CLONE "NEW_VMGENID=1\0DRIVER=vmgenid";
	static const char no[] = CLONE "NEW_VMGENID=10\0OLD_NEW_VMGENID=1\0DRIVER=vmgenid";
	if (!strcmp(how, "nothing"))
		return 0;
	if (!strcmp(how, "clone"))
		return tell(1, yes, sizeof yes);
	if (!strcmp(how, "other"))
		return tell(1, no, sizeof no);
	if (!strcmp(how, "forged"))
		return tell(0, yes, sizeof yes);
	if (!strcmp(how, "many")) {
		for (int i = 0; i < 20; i++)
			if (tell(1, no, sizeof no))
				return 1;
		return tell(1, yes, sizeof yes);
	}
	struct timex t = { .modes = ADJ_SETOFFSET | ADJ_NANO, .time = { 0, 1 } };
	return adjtimex(&t) < 0 ? fail("adjtimex") : 0;
}

static int follow(const volatile uint64_t *g)
{
	uint64_t last = *g;
	printf("ready %d\n", getpid());
	fflush(stdout);
	for (;; usleep(1000))
		if (*g != last) {
			last = *g;
			printf("%lu\n", last);
			if (fflush(stdout))
				return 0;
		}
}

int main(int argc, char **argv)
{
	const volatile uint64_t *g = find_generation();
	const char *mode = argc > 1 ? argv[1] : "print";
	if (!g) {
		puts("there is none");
		return 0;
	}
	if (!strcmp(mode, "follow"))
		return follow(g);
	if (!strcmp(mode, "child")) {
		if (fork() || fork())
			return wait(0) < 0;
		return follow(g);
	}
	if (!strcmp(mode, "event") && argc > 2) {
		uint64_t first = *g;
		for (int i = 0; *g == first && i < 5000; i++)
			usleep(1000);
		uint64_t before = *g;
		if (before == first)
			return fail("the first change");
		if (event(argv[2]))
			return 1;
		usleep(500000);
		printf("changed by %lu\n", *g - before);
		return 0;
	}
	// glibc's loader knows the vDSO as a library.
	void *lib = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
	void *loaded = lib ? dlvsym(lib, "__vdso_rng_generation", "LINUX_2.6") : 0;
	printf("%s, %s, %s\n", *g ? "not 0" : "0", *g & 1 ? "odd" : "even", loaded == (void *)g ? "and the loader agrees" : "but the loader does not agree");
	return 0;
}
