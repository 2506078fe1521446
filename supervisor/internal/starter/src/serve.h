// The one call that is served here: C libraries ask for some random bytes when a program
// first allocates memory. A program that asks again and again is better off with the
// supervisor, which patches it.

enum { enough = 4 };

// serve takes a notification and answers it, or returns 0, and leaves it to package
// supervisor.
static int serve(struct program *p)
{
	unsigned char bytes[256];
	memset(&p->n, 0, sizeof p->n);
	long e = SYS(SYS_ioctl, p->listener, RECV, &p->n);
	if (e) { // withdrawn before it was received
		p->n.id = 0;
		return e == -2 /* ENOENT */ || e == -EINTR;
	}
	u64 size = p->n.args[1], flags = p->n.args[2];
	if (p->n.nr != SYS_getrandom || p->n.arch != AUDIT_ARCH_X86_64 || !p->n.pid || size > sizeof bytes || (u32)flags > 1 /* GRND_NONBLOCK */)
		return 0;
	struct iovec_ local = { bytes, size }, remote = { (void *)p->n.args[0], size };
	if (SYS(SYS_getrandom, bytes, size, 1 /* GRND_NONBLOCK */) != (long)size || SYS(SYS_ioctl, p->listener, ID_VALID, &p->n.id) ||
	    (size && SYS(SYS_process_vm_writev, p->n.pid, &local, 1, &remote, 1, 0) != (long)size))
		return 0;
	answer(p, size, 0); // nobody waits for it any more, if it fails
	memset(bytes, 0, sizeof bytes);
	p->n.id = 0;
	return 1;
}
