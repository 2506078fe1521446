// The handoff of the first image, which is the supervisor's: see handoff_linux.go for what
// each step is for. Whatever is not as usual ends it, and the program with it, before
// its first instruction: then the supervisor begins anew.

#include <linux/audit.h>
#include <linux/ptrace.h>

#define WALL 0x40000000
#define EVENT(e) ((e) << 8 | SIGTRAP)
#define AT_CALL (SIGTRAP | 0x80)
#define STOPPED_BY_US EVENT(PTRACE_EVENT_STOP)

struct regs { // struct user_regs_struct, sys/user.h
	u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss, fs_base, gs_base, ds, es, fs, gs;
};

struct response {
	u64 id;
	s64 val;
	s32 err;
	u32 flags;
};

struct addfd {
	u64 id;
	u32 flags, srcfd, newfd, newfd_flags;
};

#define RECV 0xc0502100UL
#define SEND 0xc0182101UL
#define ID_VALID 0x40082102UL
#define ADDFD 0x40182103UL
#define SET_FLAGS 0x40082104UL
#define CONTINUE 1 // SECCOMP_USER_NOTIF_FLAG_CONTINUE

struct set {
	u64 bits[128]; // as many processors as Go's CPUSet has, and more than the kernel is built for
};

struct program {
	s32 pid, listener;
	s32 signals; // a signalfd
	struct notification n;
	struct set cpus; // the program's
	int pinned, seized;
	int plain; // without WAIT_KILLABLE_RECV (Linux < 5.19)
};

static long trace(struct program *p, long request, u64 addr, const void *data)
{
	return SYS(SYS_ptrace, request, p->pid, addr, data);
}

// stop waits for the program's next stop and returns what its status tells, 0 if it
// ended: then its id may be another's.
static s32 stop(struct program *p)
{
	s32 status;
	long r;
	while ((r = SYS(SYS_wait4, p->pid, &status, WALL, 0)) == -EINTR)
		;
	if (r == p->pid && (status & 0xff) == 0x7f)
		return status >> 8;
	return p->seized = 0;
}

// until lets the program run to a stop, and no other.
static int until(struct program *p, long request, s32 wanted)
{
	return !trace(p, request, 0, 0) && stop(p) == wanted;
}

// ready waits until a descriptor can be read. 0 means that it never will, or that a
// signal is there, for which programs have no handler before their first instruction: so it ends or
// stops this process as it would have the program, once nothing is left of that.
static int ready(const struct program *p, int fd)
{
	struct {
		s32 fd;
		short events, revents;
	} poll[2] = { { fd, 1, 0 }, { p->signals, 1, 0 } };
	while (SYS(SYS_poll, poll, 2, -1) == -EINTR)
		;
	return !poll[1].revents && poll[0].revents & 1;
}

static int await_notification(struct program *p)
{
	memset(&p->n, 0, sizeof p->n);
	return ready(p, p->listener) && !SYS(SYS_ioctl, p->listener, RECV, &p->n);
}

static int answer(struct program *p, s64 val, u32 flags)
{
	struct response r = { p->n.id, val, 0, flags };
	long e;
	while ((e = SYS(SYS_ioctl, p->listener, SEND, &r)) == -EINTR)
		;
	return !e;
}

// enter has the stopped program make a call, by the instruction at an address, up to
// the kernel's entry.
static int enter(struct program *p, const struct regs *saved, u64 insn, u64 nr, const u64 args[6])
{
	struct regs r = *saved;
	r.ip = insn;
	r.ax = nr;
	r.orig_ax = ~0UL;
	r.di = args[0];
	r.si = args[1];
	r.dx = args[2];
	r.r10 = args[3];
	r.r8 = args[4];
	r.r9 = args[5];
	return !trace(p, PTRACE_SETREGS, 0, &r) && until(p, PTRACE_SYSCALL, AT_CALL);
}

static long result(struct program *p)
{
	struct regs r;
	return trace(p, PTRACE_GETREGS, 0, &r) ? -1 : (long)r.ax;
}

static u64 decimal(const char **s)
{
	u64 n = 0;
	while (**s == ' ')
		++*s;
	for (; **s >= '0' && **s <= '9'; ++*s)
		n = n * 10 + **s - '0';
	return n;
}

static char *append(char *to, const char *s)
{
	while (*s)
		*to++ = *s++;
	*to = 0;
	return to;
}

static char *append_number(char *to, u64 n)
{
	char digits[24];
	int i = sizeof digits - 1;
	for (digits[i] = 0; n || !digits[i]; n /= 10)
		digits[--i] = '0' + n % 10;
	return append(to, digits + i);
}

// read_file reads the beginning of a file into a buffer, with a zero behind it.
static long read_file(const char *path, char *buf, u64 size)
{
	long fd = SYS(SYS_open, path, 02000000 /* O_CLOEXEC */, 0);
	if (fd < 0)
		return fd;
	long n = SYS(SYS_read, fd, buf, size - 1);
	SYS(SYS_close, fd);
	buf[n > 0 ? n : 0] = 0;
	return n;
}

// vdso_of finds AT_SYSINFO_EHDR behind the arguments and the environment of a fresh
// image.
static u64 vdso_of(struct program *p, u64 sp)
{
	u64 words[2048];
	u64 first = PageSize - sp % PageSize;
	struct iovec_ local = { words, sizeof words }, remote[2] = { { (void *)sp, first }, { (void *)(sp + first), sizeof words - first } };
	long n = SYS(SYS_process_vm_readv, p->pid, &local, 1, remote, 2, 0) / 8;
	long i = 1, nulls = 0;
	for (; i < n && nulls < 2; i++)
		nulls += !words[i];
	if (i >= n) { // they are many: the kernel's copy, which takes longer
		char path[40];
		append(append_number(append(path, "/proc/"), p->pid), "/auxv");
		n = read_file(path, (char *)words, sizeof words) / 8;
		i = 0;
	}
	for (; i + 1 < n && words[i]; i += 2)
		if (words[i] == 33 /* AT_SYSINFO_EHDR */)
			return words[i + 1];
	return 0;
}

// prepare_mm writes what PR_SET_MM_MAP sets anew below the image's stack and returns
// the address, 0 where it could not (mmmap_linux.go).
static u64 prepare_mm(struct program *p, u64 sp)
{
	static const char field[] = { 26, 27, 45, 46, 47, 47, 28, 48, 49, 50, 51 };
	struct {
		u64 words[11], auxv;
		u32 auxv_size, exe_fd;
	} mm = { { 0 }, 0, 0, ~0U };
	char path[40], buf[1024];
	u64 fields[52] = { 0 };
	append(append_number(append(path, "/proc/"), p->pid), "/stat");
	long n = read_file(path, buf, sizeof buf);
	while (n > 0 && buf[n - 1] != ')')
		n--;
	if (n <= 0)
		return 0;
	const char *at = buf + n;
	for (int i = 3; i < 52 && *at; i++) {
		fields[i] = decimal(&at);
		while (*at && *at != ' ')
			at++;
	}
	for (u64 i = 0; i < sizeof field; i++)
		mm.words[i] = fields[(int)field[i]];
	if (mm.words[6] <= 1)
		return 0;
	u64 to = sp - 1024;
	struct iovec_ local = { &mm, sizeof mm }, remote = { (void *)to, sizeof mm };
	return SYS(SYS_process_vm_writev, p->pid, &local, 1, &remote, 1, 0) == sizeof mm ? to : 0;
}

// elf_begin is handoff_linux.go's elfBegin.
static const u64 elf_begin = 0x00010102464c457f;

// install makes the calls in the image.
static int install(struct program *p, const struct regs *saved, u64 insn, u64 base, s32 region)
{
	const u64 none[6] = { 0 };
	struct regs r = *saved;
	u64 mm = prepare_mm(p, saved->sp);
	// The image asks for its descriptor by an exec, which is notified.
	if (!enter(p, saved, insn, SYS_execve, none) || trace(p, PTRACE_SYSCALL, 0, 0) || !await_notification(p))
		return 0;
	struct addfd a = { p->n.id, 0, region, 0, 02000000 /* O_CLOEXEC */ };
	long fd;
	while ((fd = SYS(SYS_ioctl, p->listener, ADDFD, &a)) == -EINTR)
		;
	if (fd < 0 || !answer(p, fd, 0) || stop(p) != AT_CALL || result(p) != fd)
		return 0;
	const u64 map[6] = { base, ImageSize, 5 /* PROT_READ | PROT_EXEC */, 0x100002 /* MAP_PRIVATE | MAP_FIXED_NOREPLACE */, fd, 0 };
	if (!enter(p, saved, insn, SYS_mmap, map) || !until(p, PTRACE_SYSCALL, AT_CALL) || result(p) != (long)base)
		return 0;
	r.ip = base + handoffOff;
	r.orig_ax = ~0UL;
	r.di = fd;
	r.si = ~0UL; // no counters
	r.dx = saved->sp;
	r.r8 = mm;
	r.r9 = 0; // no vDSO of the user's
	r.r10 = SYS_execve;
	if (trace(p, PTRACE_SETREGS, 0, &r) || !until(p, PTRACE_CONT, EVENT(PTRACE_EVENT_SECCOMP)) ||
	    trace(p, PTRACE_GETREGS, 0, &r) || r.di)
		return 0;
	trace(p, PTRACE_POKETEXT, base, (void *)elf_begin);
	return 1;
}

// together puts this thread and the program on one processor (affinity_linux.go).
static void together(struct program *p, const struct set *mine)
{
	struct set one = { { 0 } };
	u32 cpu;
	if (SYS(SYS_getcpu, &cpu, 0, 0) || SYS(SYS_sched_getaffinity, p->pid, sizeof p->cpus, &p->cpus) <= 0)
		return;
	if (cpu >= 64 * 128 || !(p->cpus.bits[cpu / 64] >> cpu % 64 & 1) || !(mine->bits[cpu / 64] >> cpu % 64 & 1))
		return;
	one.bits[cpu / 64] = 1UL << cpu % 64;
	p->pinned = !SYS(SYS_sched_setaffinity, p->pid, sizeof one, &one);
	if (p->pinned)
		SYS(SYS_sched_setaffinity, 0, sizeof one, &one);
}

static void apart(struct program *p)
{
	if (p->pinned)
		SYS(SYS_sched_setaffinity, p->pid, sizeof p->cpus, &p->cpus);
}

// hand_off carries the program's first exec through. It returns whether all that the
// program needs is to be let go; otherwise it is stopped, waits for an answer, or is gone.
static int hand_off(struct program *p, u64 syscall_at, u64 base, s32 region)
{
	const u64 all = ~0UL;
	u64 mask;
	struct regs saved;
	if (!await_notification(p) || p->n.nr != SYS_execve || p->n.arch != AUDIT_ARCH_X86_64 || (s32)p->n.pid != p->pid)
		return 0;
	if (trace(p, PTRACE_SEIZE, 0, (void *)(PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP)))
		return 0;
	p->seized = 1;
	// A failed exec gives no stop of its own, so one is asked for: after the answer, where
	// it would interrupt the notification.
	if (SYS(SYS_ioctl, p->listener, ID_VALID, &p->n.id) || (p->plain && !answer(p, 0, CONTINUE)) ||
	    trace(p, PTRACE_INTERRUPT, 0, 0) || (!p->plain && !answer(p, 0, CONTINUE)))
		return 0;
	if (stop(p) != EVENT(PTRACE_EVENT_EXEC) || !until(p, PTRACE_SYSCALL, AT_CALL) || trace(p, PTRACE_GETREGS, 0, &saved) ||
	    saved.cs != 0x33 /* __USER_CS */)
		return 0;
	u64 vdso = vdso_of(p, saved.sp);
	if (!vdso || trace(p, PTRACE_GETSIGMASK, 8, &mask) || trace(p, PTRACE_SETSIGMASK, 8, &all))
		return 0;
	if (!install(p, &saved, vdso + syscall_at, base, region))
		return 0;
	saved.orig_ax = ~0UL;
	if (trace(p, PTRACE_SETREGS, 0, &saved) || trace(p, PTRACE_SETSIGMASK, 8, &mask))
		return 0;
	apart(p);
	struct {
		s32 fd;
		short events, revents;
	} late = { p->signals, 1, 0 };
	return SYS(SYS_poll, &late, 1, 0) == 0;
}
