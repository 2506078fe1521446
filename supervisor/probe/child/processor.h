// The processor, the kernel's vDSO, and Syscall User Dispatch.

// RUNS executes an instruction in a child.
#define RUNS(code)                                   \
	do {                                         \
		long pid = spawn(0);                 \
		if (pid == 0) {                      \
			on_signal(SIGILL, (u64)caught); \
			code;                        \
			quit(0);                     \
		}                                    \
		s32 s = await(pid);                  \
		if (EXITED(s) == CAUGHT + SIGILL)    \
			no(-1, 0);                   \
		if (s)                               \
			unknown(-1, 0);              \
		yes(0);                              \
	} while (0)

static void fsgsbase(void) { RUNS(u64 v; __asm__ volatile(".byte 0xf3, 0x48, 0x0f, 0xae, 0xc0" : "=a"(v))); } // rdfsbase %rax
static void rdpid(void) { RUNS(u64 v; __asm__ volatile(".byte 0xf3, 0x0f, 0xc7, 0xf8" : "=a"(v))); }           // rdpid %rax

// vdso_getrandom: arg[0] is its offset in the vDSO.
static void vdso_getrandom(void)
{
	if (!vdso)
		no(-1, 0);
	long (*fn)(void *, u64, u32, void *, u64) = (void *)(vdso + arg[0]);
	struct { u32 size, prot, flags, reserved[13]; } p = { 0 };
	long r = fn(0, 0, 0, &p, ~0UL);
	if (r < 0)
		no(SYS_getrandom, r);
	long state = SYS(SYS_mmap, 0, 4096, p.prot, p.flags, -1, 0);
	if (is_error(state))
		no(SYS_mmap, state);
	u64 out[4] = { 0 };
	if (fn(out, sizeof out, 0, (void *)state, p.size) != sizeof out || !(out[0] | out[1] | out[2] | out[3]))
		no(SYS_getrandom, 0);
	yes(p.size);
}

// vdso_clock: does the vDSO tell the time without a system call? arg[0] is the
// offset of clock_gettime.
static void vdso_clock(void)
{
	if (!vdso)
		no(-1, 0);
	must(SYS_seccomp, filter(0, SYS_clock_gettime, SECCOMP_RET_ERRNO | EPERM));
	long (*fn)(int, void *) = (void *)(vdso + arg[0]);
	u64 ts[2];
	long r = fn(1, ts);
	if (r < 0)
		no(SYS_clock_gettime, r);
	yes(0);
}

// lsm: the active security modules, bit n for LSM_ID_* 100+n (linux/lsm.h).
static void lsm(void)
{
	u64 ids[64], set = 0;
	u32 size = sizeof ids;
	long n = SYS(461 /* lsm_list_modules */, ids, &size, 0);
	if (n < 0)
		no(461, n);
	for (long i = 0; i < n; i++)
		if (ids[i] >= 100 && ids[i] < 164)
			set |= 1UL << (ids[i] - 100);
	yes(set);
}

// sud: with the selector on, a call raises SIGSYS. arg[0]: the mode.
static void sud(void)
{
	extern char _start;
	long pid = spawn(0);
	if (pid == 0) {
		u64 from = 0, len = 0;
		if (arg[0] == 2) { // inclusive: the range is what is dispatched
			from = (u64)&_start & ~0xffffUL;
			len = 0x20000;
		}
		long r = SYS(SYS_prctl, 59 /* PR_SET_SYSCALL_USER_DISPATCH */, arg[0], from, len, &selector);
		shared->number = r;
		if (r == 0) {
			on_signal(SIGSYS, (u64)caught);
			selector = 1;
			SYS(SYS_getppid);
		}
		quit(1);
	}
	if (EXITED(await(pid)) == CAUGHT + SIGSYS)
		yes(0);
	no(SYS_prctl, shared->number);
}
