// The one call that is served here: C libraries ask for some random bytes when a program
// first allocates memory.

// answer_random serves the notification, or returns 0, and leaves it to package supervisor.
static int answer_random(struct program *p)
{
	unsigned char bytes[256];
	u64 size = p->n.args[1];
	if (p->n.nr != SYS_getrandom || p->n.arch != AUDIT_ARCH_X86_64 || !p->n.pid || !size || size > sizeof bytes ||
	    (u32)p->n.args[2] > 1 /* GRND_NONBLOCK */)
		return 0;
	struct iovec_ local = { bytes, size }, remote = { (void *)p->n.args[0], size };
	if (SYS(SYS_getrandom, bytes, size, 1 /* GRND_NONBLOCK */) != (long)size || SYS(SYS_ioctl, p->listener, ID_VALID, &p->n.id) ||
	    SYS(SYS_process_vm_writev, p->n.pid, &local, 1, &remote, 1, 0) != (long)size)
		return 0;
	answer(p, size, 0); // nobody waits for it any more, if it fails
	memset(bytes, 0, sizeof bytes);
	return 1;
}
