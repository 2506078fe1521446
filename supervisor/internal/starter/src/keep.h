// A thread that receives notifications from before the program's first instruction until
// the supervisor's receivers do, through the beginning of the Go runtime, which knows nothing of
// it: a call that is not received can be interrupted by a signal.

struct keeper {
	struct program program;
	struct started *out;
};

enum {
	KEPT = sizeof((struct started *)0)->notifications / sizeof(struct notification),
	// A program that asks again and again waits for the supervisor, which patches it: each
	// notification can be interrupted, if only until it is received.
	ENOUGH = 3,
};

// The signal that gets the thread out of a wait. C libraries have it for themselves, and the
// runtime leaves it alone.
#define LEAVE 34

static void nothing(int sig) { (void)sig; }

static int adopted(const struct started *s) { return __atomic_load_n(&s->adopted, __ATOMIC_ACQUIRE); }

// receive_one waits for a notification; 0 means that there will be none for this thread.
static int receive_one(struct program *p, const struct started *s)
{
	struct {
		s32 fd;
		short events, revents;
	} poll = { p->listener, 1, 0 };
	while (!adopted(s)) {
		memset(&p->n, 0, sizeof p->n);
		if (!SYS(SYS_ioctl, p->listener, RECV, &p->n))
			return 1;
		// It was withdrawn before it was received, or no process is left.
		if (SYS(SYS_poll, &poll, 1, 0) > 0 && poll.revents & 0x10 /* POLLHUP */)
			return 0;
	}
	return 0;
}

static void keep(struct keeper *k)
{
	struct started *s = k->out;
	const u64 one = 1, leave = 1UL << (LEAVE - 1);
	SYS(SYS_rt_sigprocmask, SIG_UNBLOCK, &leave, 0, 8);
	for (u32 served = 0; s->received < KEPT && receive_one(&k->program, s);) {
		if (served == ENOUGH || !answer_random(&k->program)) {
			s->notifications[s->received] = k->program.n;
			__atomic_store_n(&s->received, s->received + 1, __ATOMIC_RELEASE);
			SYS(SYS_write, s->wake, &one, sizeof one);
		} else {
			served++;
		}
	}
	for (;;)
		SYS(SYS_exit, 0);
}

// start_keeping starts the thread, with its stack and all else in memory of its own. All
// signals but one are blocked, and stay so for it.
static int start_keeping(const struct program *program, struct started *out, u64 memory, u64 size, u64 restorer)
{
	struct ksigaction leave = { (u64)nothing, 0x04000000 /* SA_RESTORER */, restorer, 0 };
	SYS(SYS_rt_sigaction, LEAVE, &leave, 0, 8);
	struct keeper *k = (struct keeper *)memory;
	u64 top = (memory + size) & -64UL;
	memcpy(&k->program, program, sizeof *program);
	k->out = out;
	const u64 flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
			  CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
	register u64 r10 __asm__("r10") = (u64)&out->thread; // where the kernel writes 0 at its end
	register u64 r8 __asm__("r8") = 0;
	register struct keeper *r12 __asm__("r12") = k;
	long tid;
	__asm__ volatile("syscall\n\ttest %%eax, %%eax\n\tjnz 1f\n\txor %%ebp, %%ebp\n\tmov %%r12, %%rdi\n\tcall *%%rbx\n\thlt\n1:"
			 : "=a"(tid)
			 : "a"(SYS_clone), "D"(flags), "S"(top), "d"(&out->thread), "r"(r10), "r"(r8), "b"(keep), "r"(r12)
			 : "rcx", "r11", "memory");
	return tid > 0;
}
