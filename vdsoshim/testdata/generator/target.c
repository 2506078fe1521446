#include "target.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* The site that the reflected entry stands for, and a place for system calls
 * that the test wants made. */
extern const char site[], after[], service[], service_end[];
asm("	.text\n"
    "site:	syscall\n"
    "after:	int3\n"
    "service: syscall\n"
    "service_end: int3\n");

#define FLAGS 0x8d5	/* arithmetic: OF SF ZF AF PF CF */
#define OPTIONS (PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK | PTRACE_O_TRACESECCOMP)

static int gate_open;

/* The site has to be a system call, for the entry to serve it: so it is the kernel
 * that stops there. */
static void stop_at_site(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (u32)(u64)after, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {sizeof(code) / sizeof(*code), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		fail("filter: %m");
}

static enum stop wait_trap(struct proc *p, int *status)
{
	if (waitpid(p->pid, status, __WALL) != p->pid || !WIFSTOPPED(*status)) {
		fail("process %d ended: %x", p->pid, *status);
		exit(1);
	}
	get_regs(p);
	if (*status >> 16 == PTRACE_EVENT_SECCOMP) {
		/* Not made yet; as behind a breakpoint. */
		p->regs.rip = (u64)site + 1;
		p->regs.rax = p->regs.orig_rax;
	}
	return WSTOPSIG(*status) == SIGTRAP ? DONE : BROKEN;
}

void get_regs(struct proc *p)
{
	ptrace(PTRACE_GETREGS, p->pid, 0, &p->regs);
}

void set_regs(struct proc *p)
{
	p->regs.orig_rax = -1;
	ptrace(PTRACE_SETREGS, p->pid, 0, &p->regs);
}

void start(struct proc *p)
{
	int status;

	fflush(stdout);
	p->pid = fork();
	if (!p->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGCHLD, SIG_IGN);	/* its forks are reaped, and no signal comes */
		adopt();
		mmap((void *)BUFFERS, BUFFERS_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		mmap((void *)STACKS, STACKS_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		stop_at_site();
		fflush(stdout);
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		if (failures)
			_exit(1);
		asm volatile("int3" : : "a"(state_size), "b"(state_flags), "c"(secrets));
		_exit(3);
	}
	wait_trap(p, &status);
	ptrace(PTRACE_SETOPTIONS, p->pid, 0, OPTIONS);
	state_size = p->regs.rax;
	state_flags = p->regs.rbx;
	secrets = p->regs.rcx;
	store(p, gate, "\xcc", 1);
}

void open_gate(struct proc *p)
{
	gate_open = 1;
	store(p, gate, "\x0f", 1);
}

void finish(struct proc *p)
{
	int status;

	kill(p->pid, SIGKILL);
	while (waitpid(p->pid, &status, __WALL) == p->pid && WIFSTOPPED(status))
		;
}

void load(const struct proc *p, u64 addr, void *to, u64 n)
{
	struct iovec l = {to, n}, r = {(void *)addr, n};

	if (process_vm_readv(p->pid, &l, 1, &r, 1, 0) != (ssize_t)n)
		fail("read %lu bytes at %lx: %m", n, addr);
}

/* By way of /proc: the image is not writable. */
void store(const struct proc *p, u64 addr, const void *from, u64 n)
{
	struct iovec l = {(void *)from, n}, r = {(void *)addr, n};
	char name[64];

	if (process_vm_writev(p->pid, &l, 1, &r, 1, 0) == (ssize_t)n)
		return;
	snprintf(name, sizeof(name), "/proc/%d/mem", p->pid);
	int fd = open(name, O_RDWR);
	if (pwrite(fd, from, n, addr) != (ssize_t)n)
		fail("write %lu bytes at %lx: %m", n, addr);
	close(fd);
}

u64 peek(const struct proc *p, u64 addr)
{
	u64 v = 0;

	load(p, addr, &v, 8);
	return v;
}

void poke(const struct proc *p, u64 addr, u64 value)
{
	store(p, addr, &value, 8);
}

void begin(struct proc *p, struct call *c)
{
	struct user_regs_struct *r = &p->regs;
	unsigned long long *word[] = {&r->rbx, &r->rbp, &r->r8, &r->r9, &r->r10, &r->r11, &r->r12, &r->r13, &r->r14, &r->r15};

	for (unsigned i = 0; i < sizeof(word) / sizeof(*word); i++)
		*word[i] = rnd();
	r->rdi = c->buf;
	r->rsi = c->len;
	r->rdx = c->flags;
	r->rsp = c->rsp;
	r->eflags = 0x202;
	if (c->entry == VDSO) {
		r->rax = rnd();
		r->rip = vdso;
		r->rcx = STATE;
		r->r8 = state_size;
		r->rsp -= 8;
		poke(p, r->rsp, (u64)after);
	} else {
		r->eflags |= rnd() & FLAGS;
		r->rax = NR_GETRANDOM;
		r->rip = reflected;
		r->rcx = (u64)after;
	}
	set_regs(p);
	c->before = *r;
}

int at_kernel(const struct proc *p)
{
	return (p->regs.rip == gate && !gate_open) || p->regs.rip == (u64)site;
}

int is_done(const struct proc *p)
{
	return p->regs.rip == (u64)after;
}

/* A breakpoint leaves it one byte further. */
enum stop resume(struct proc *p)
{
	int status;

	if (at_kernel(p))
		return KERNEL;
	ptrace(PTRACE_CONT, p->pid, 0, 0);
	if (wait_trap(p, &status) == BROKEN) {
		fail("signal %d at image+%lx, rsp %llx", WSTOPSIG(status), (u64)p->regs.rip - base, p->regs.rsp);
		return BROKEN;
	}
	p->regs.rip--;
	set_regs(p);
	if (at_kernel(p))
		return KERNEL;
	if (is_done(p))
		return DONE;
	fail("stopped at image+%lx", (u64)p->regs.rip - base);
	return BROKEN;
}

enum stop resume_to(struct proc *p, u64 at, int *there)
{
	u8 old, trap = 0xcc;
	int status;

	*there = 0;
	load(p, at, &old, 1);
	store(p, at, &trap, 1);
	ptrace(PTRACE_CONT, p->pid, 0, 0);
	enum stop s = wait_trap(p, &status);
	store(p, at, &old, 1);
	if (s == BROKEN) {
		fail("signal %d at image+%lx", WSTOPSIG(status), (u64)p->regs.rip - base);
		return BROKEN;
	}
	p->regs.rip--;
	set_regs(p);
	*there = p->regs.rip == at;
	return at_kernel(p) ? KERNEL : DONE;
}

enum stop step(struct proc *p)
{
	int status;

	if (at_kernel(p))
		return KERNEL;
	ptrace(PTRACE_SINGLESTEP, p->pid, 0, 0);
	if (wait_trap(p, &status) == BROKEN) {
		fail("signal %d at image+%lx", WSTOPSIG(status), (u64)p->regs.rip - base);
		return BROKEN;
	}
	return DONE;
}

/* What the instruction would have done. */
void answer(struct proc *p, const void *bytes, long n)
{
	struct user_regs_struct *r = &p->regs;

	if (n > 0)
		store(p, r->rdi, bytes, n);
	r->rax = n;
	r->rip += 2;
	r->rcx = r->rip;
	r->r11 = r->eflags;
	set_regs(p);
}

u64 result(const struct proc *p)
{
	return p->regs.rax;
}

void check_registers(const struct proc *p, const struct call *c, const char *what)
{
	const struct user_regs_struct *a = &c->before, *b = &p->regs;

#define SAME(reg) if (a->reg != b->reg) \
		fail("%s: " #reg " was %llx, is %llx", what, (unsigned long long)a->reg, (unsigned long long)b->reg)
	SAME(rbx); SAME(rbp); SAME(r12); SAME(r13); SAME(r14); SAME(r15);
	if (c->entry == VDSO) {
		if (b->rsp != a->rsp + 8)
			fail("%s: rsp was %llx, is %llx", what, a->rsp, b->rsp);
		return;
	}
	SAME(rsp); SAME(rdi); SAME(rsi); SAME(rdx); SAME(r8); SAME(r9); SAME(r10); SAME(eflags);
	if (b->rcx != (u64)after)
		fail("%s: rcx is %llx, not %lx", what, b->rcx, (u64)after);
	if (b->r11 != a->eflags)
		fail("%s: r11 is %llx, the flags were %llx", what, b->r11, a->eflags);
}

long inject(struct proc *p, long nr, u64 a, u64 b, u64 c)
{
	struct user_regs_struct old = p->regs;
	int status;

	p->regs.rip = (u64)service;
	p->regs.rax = nr;
	p->regs.rdi = a;
	p->regs.rsi = b;
	p->regs.rdx = c;
	set_regs(p);
	ptrace(PTRACE_CONT, p->pid, 0, 0);
	if (wait_trap(p, &status) == DONE && status >> 16 == PTRACE_EVENT_FORK)
		return 0;	/* goes on in fork_proc */
	if (p->regs.rip != (u64)service_end + 1)
		fail("an injected call %ld ended at %llx", nr, p->regs.rip);
	long n = p->regs.rax;
	p->regs = old;
	set_regs(p);
	return n;
}

void fork_proc(struct proc *p, struct proc *child)
{
	struct user_regs_struct old = p->regs;
	unsigned long pid = 0;
	int status;

	inject(p, SYS_fork, 0, 0, 0);
	ptrace(PTRACE_GETEVENTMSG, p->pid, 0, &pid);
	if (!pid)
		fail("fork failed");
	ptrace(PTRACE_CONT, p->pid, 0, 0);
	wait_trap(p, &status);
	p->regs = old;
	set_regs(p);
	child->pid = pid;
	waitpid(pid, &status, __WALL);
	child->regs = old;
	set_regs(child);
}
