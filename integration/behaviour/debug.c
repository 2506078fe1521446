// Debuggers: a program that traces its children, and those that people use.
#include "behaviour.h"
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <sys/user.h>

static long trace(long request, pid_t pid, long addr, long data) { return syscall(SYS_ptrace, request, pid, addr, data); }

// Goes on with the signal that a tracee stopped for, as every tracer does, or without one
// where the stop was the tracer's own or the first.
static void go_on(long request, pid_t pid, int status)
{
	int sig = WSTOPSIG(status) & 0x7f;
	trace(request, pid, 0, status >> 16 || sig == SIGTRAP || sig == SIGSTOP ? 0 : sig);
}

static void trace_me(void)
{
	if (trace(PTRACE_TRACEME, 0, 0, 0)) {
		printf("PTRACE_TRACEME: %s\n", strerror(errno));
		_exit(44);
	}
}

static void child_calls(void)
{
	for (int i = 0; i < 3; i++)
		getsid(0);
	_exit(quiet_ok() ? 5 : 6);
}

BEHAVIOUR(trace_me_and_stop)
{
	pid_t pid = fork();
	if (pid == 0) {
		trace_me();
		raise(SIGSTOP);
		child_calls();
	}
	int status, r = waitpid(pid, &status, 0);
	if (WIFEXITED(status))
		return;
	struct user_regs_struct regs;
	printf("stopped %d, %x\n", r == pid, status);
	printf("registers: %s, the result of tgkill %lld\n", library(trace(PTRACE_GETREGS, pid, 0, (long)&regs)), regs.rax);
	long word = trace(PTRACE_PEEKDATA, pid, (long)&environ, (long)&word) == 0 ? word : 0;
	printf("memory: %d\n", word == (long)environ);
	while (go_on(PTRACE_CONT, pid, status), waitpid(pid, &status, 0) == pid && WIFSTOPPED(status))
		;
	say_status("child", status);
}

// Every stop of getsid, at entry and exit.
BEHAVIOUR(system_call_stops)
{
	pid_t pid = fork();
	if (pid == 0) {
		trace_me();
		raise(SIGSTOP);
		child_calls();
	}
	int status, entries = 0, exits = 0, others = 0;
	waitpid(pid, &status, 0);
	if (WIFEXITED(status))
		return;
	printf("options: %s\n", library(trace(PTRACE_SETOPTIONS, pid, 0, 1 /* TRACESYSGOOD */)));
	for (;;) {
		struct ptrace_syscall_info info = { 0 };
		static int inside;
		go_on(PTRACE_SYSCALL, pid, status);
		if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
			break;
		if (status >> 8 != (SIGTRAP | 0x80)) {
			others++;
			continue;
		}
		trace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (long)&info);
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == SYS_getsid)
			inside = 1, entries++;
		else if (info.op == PTRACE_SYSCALL_INFO_EXIT && inside)
			inside = 0, exits += info.exit.rval > 0;
	}
	printf("%d entries, %d exits, %d other stops\n", entries, exits, others);
	say_status("child", status);
}

// More tracees at once than there is room for in any first table, each followed call by
// call: they stop by turns, at entries and exits by turns, and nowhere else.
BEHAVIOUR(tracer_of_many)
{
	enum { MANY = 620 };
	static struct tracee {
		pid_t pid;
		int status, inside, nr, entries, exits, others;
	} all[MANY];
	int n, left = 0, entries = 0, exits = 0, others = 0, ends = 0;
	for (n = 0; n < MANY; n++) {
		pid_t pid = all[n].pid = fork();
		if (pid == 0) {
			trace_me();
			raise(SIGSTOP);
			child_calls();
		}
		if (waitpid(pid, &all[n].status, 0) != pid || !WIFSTOPPED(all[n].status))
			break;
		trace(PTRACE_SETOPTIONS, pid, 0, 1 | 0x100000); // tracesysgood, exitkill
		left++;
	}
	printf("%d tracees\n", left);
	while (left > 0) {
		for (int i = 0; i < n; i++)
			if (WIFSTOPPED(all[i].status))
				go_on(PTRACE_SYSCALL, all[i].pid, all[i].status);
		for (struct tracee *t = all; t < all + n; t++) {
			struct ptrace_syscall_info info = { 0 };
			if (!WIFSTOPPED(t->status))
				continue;
			if (waitpid(t->pid, &t->status, 0) != t->pid || !WIFSTOPPED(t->status)) {
				left--;
				ends += t->status == 5 << 8;
				continue;
			}
			trace(PTRACE_GET_SYSCALL_INFO, t->pid, sizeof info, (long)&info);
			if (t->status >> 8 != (SIGTRAP | 0x80) || t->inside != (info.op == PTRACE_SYSCALL_INFO_EXIT))
				t->others++;
			else if (t->inside)
				t->inside = 0, t->exits += t->nr == SYS_getsid;
			else
				t->inside = 1, t->nr = info.entry.nr, t->entries += t->nr == SYS_getsid;
		}
	}
	for (struct tracee *t = all; t < all + n; t++)
		entries += t->entries, exits += t->exits, others += t->others;
	printf("%d entries, %d exits, %d other stops, %d ended with 5\n", entries, exits, others, ends);
}

// A tracee is followed and ends; another gets its number, and is only to be let go on.
BEHAVIOUR(tracee_with_the_number_of_another)
{
	int status, stops = 0;
	pid_t pid = fork();
	if (pid == 0) {
		trace_me();
		raise(SIGSTOP);
		for (;;)
			quiet_ok();
	}
	waitpid(pid, &status, 0);
	if (WIFEXITED(status))
		return;
	trace(PTRACE_SETOPTIONS, pid, 0, 1);
	for (int i = 0; i < 21; i++) {
		go_on(PTRACE_SYSCALL, pid, status);
		waitpid(pid, &status, 0);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	pid_t again = pid;
	struct clone_args args = { .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&again, .set_tid_size = 1 };
	pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid == 0) {
		trace_me();
		child_calls();
	}
	printf("the same number: %s\n", pid == again ? "yes" : library(pid)); // needs CAP_CHECKPOINT_RESTORE
	while (pid > 0 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) && ++stops < 50)
		go_on(PTRACE_CONT, pid, status);
	printf("%d stops\n", stops);
	say_status("child", status);
}

// next_call lets a tracee run to the entry or exit of a call, and returns 0 if it ended.
static int next_call(pid_t pid, int *status, struct user_regs_struct *regs)
{
	do {
		go_on(PTRACE_SYSCALL, pid, *status);
		if (waitpid(pid, status, 0) != pid || !WIFSTOPPED(*status))
			return 0;
	} while (*status >> 8 != (SIGTRAP | 0x80));
	trace(PTRACE_GETREGS, pid, 0, (long)regs);
	return 1;
}

// The tracer changes a result: what a debugger or sandbox by ptrace does.
BEHAVIOUR(tracer_changes_a_result)
{
	pid_t pid = fork();
	if (pid == 0) {
		trace_me();
		raise(SIGSTOP);
		_exit(CALL(124, 0, 0, 0, 0) == 4242 && CALL(124, 0, 0, 0, 0) == 4242 ? 7 : 8);
	}
	int status;
	waitpid(pid, &status, 0);
	if (WIFEXITED(status))
		return;
	trace(PTRACE_SETOPTIONS, pid, 0, 1);
	struct user_regs_struct regs;
	for (int inside = 0; next_call(pid, &status, &regs);) {
		inside = !inside;
		if (!inside && regs.orig_rax == SYS_getsid) {
			regs.rax = 4242;
			trace(PTRACE_SETREGS, pid, 0, (long)&regs);
		}
	}
	say_status("child", status);
}

BEHAVIOUR(tracer_asks_for_another_call)
{
	pid_t pid = fork();
	if (pid == 0) {
		trace_me();
		raise(SIGSTOP);
		int right = 0;
		for (int i = 0; i < 4; i++)
			right += CALL(124, 0, 0, 0, 0) == getppid();
		_exit(right);
	}
	int status, entries = 0, exits = 0;
	waitpid(pid, &status, 0);
	if (WIFEXITED(status))
		return;
	trace(PTRACE_SETOPTIONS, pid, 0, 1 /* TRACESYSGOOD */);
	struct user_regs_struct regs;
	for (int inside = 0; next_call(pid, &status, &regs);) {
		if (regs.orig_rax == SYS_getsid) {
			regs.orig_rax = SYS_getppid;
			trace(PTRACE_SETREGS, pid, 0, (long)&regs);
			inside = 1, entries++;
		} else if (inside) {
			inside = 0, exits += regs.orig_rax == SYS_getppid && (pid_t)regs.rax == getpid();
		}
	}
	printf("%d entries, %d exits\n", entries, exits);
	say_status("child", status);
}

// The kernel looks at the lower half of a number, and a tracer sees all of it.
BEHAVIOUR(tracer_sees_whole_numbers)
{
	const unsigned long odd = 1UL << 40 | SYS_getsid;
	pid_t pid = fork();
	if (pid == 0) {
		trace_me();
		raise(SIGSTOP);
		int right = 0;
		for (int i = 0; i < 8; i++)
			right += syscall(i % 2 ? odd : SYS_getsid, 0) > 0;
		_exit(right);
	}
	int status, plain = 0, whole = 0;
	waitpid(pid, &status, 0);
	if (WIFEXITED(status))
		return;
	trace(PTRACE_SETOPTIONS, pid, 0, 1 /* TRACESYSGOOD */);
	struct user_regs_struct regs;
	while (next_call(pid, &status, &regs)) {
		plain += regs.orig_rax == SYS_getsid;
		whole += regs.orig_rax == odd;
	}
	printf("%d and %d stops\n", plain, whole);
	say_status("child", status);
}

BEHAVIOUR(seize_and_interrupt)
{
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			quiet_ok();
	for (int i = 0; i < 4; i++) {
		int status = 0;
		long seized = trace(PTRACE_SEIZE, pid, 0, 0);
		printf("seize: %s", library(seized));
		if (seized) {
			printf("\n");
			break;
		}
		printf(", interrupt: %s", library(trace(PTRACE_INTERRUPT, pid, 0, 0)));
		while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) && !(status >> 16))
			go_on(PTRACE_CONT, pid, status);
		printf(", %x, detach: %s\n", status, library(trace(PTRACE_DETACH, pid, 0, 0)));
	}
	kill(pid, SIGKILL);
	reap("child", pid);
}

// Steps over calls, one by one, as debuggers do.
BEHAVIOUR(tracer_single_steps)
{
	pid_t pid = fork();
	if (pid == 0) {
		trace_me();
		raise(SIGSTOP);
		for (int i = 0; i < 3; i++)
			CALL(124, 0, 0, 0, 0), CALL(NR_GETPPID, 0, 0, 0, 0), CALL(NR_PRIORITY_MAX, SCHED_FIFO, 0, 0, 0);
		__asm__ volatile("syscall" : : "a"(SYS_exit_group), "D"(3));
	}
	int status, steps = 0, calls = 0, others = 0;
	waitpid(pid, &status, 0);
	if (WIFEXITED(status))
		return;
	for (int before = 0;;) {
		struct user_regs_struct regs;
		go_on(PTRACE_SINGLESTEP, pid, status);
		if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
			break;
		steps++;
		others += status != 0x57f;
		trace(PTRACE_GETREGS, pid, 0, (long)&regs);
		long word = 0;
		// What stood there before the step, and its result.
		if (before)
			calls += regs.rcx == regs.rip && ((long long)regs.rax > 0 || regs.rax == (unsigned long long)getsid(0));
		trace(PTRACE_PEEKDATA, pid, regs.rip, (long)&word);
		before = (word & 0xffff) == 0x050f;
	}
	printf("%d steps, %d calls, %d other stops\n", steps, calls, others);
	say_status("child", status);
}

// A tracer that asks for no events, and for nothing when it waits.
BEHAVIOUR(seized_executes)
{
	int pipes[2], status;
	char c;
	if (pipe(pipes))
		return;
	pid_t pid = fork();
	if (pid == 0) {
		close(pipes[1]);
		if (read(pipes[0], &c, 1) == 1)
			execl("/bin/sh", "sh", "-c", "/bin/true; kill -USR1 $$; exit 7", NULL);
		_exit(9);
	}
	long seized = trace(PTRACE_SEIZE, pid, 0, 0);
	printf("seize: %s\n", library(seized));
	printf("go: %zd\n", write(pipes[1], "x", 1));
	siginfo_t info = { 0 };
	while (!seized && waitid(P_PID, pid, &info, WEXITED | WSTOPPED) == 0 && info.si_code == CLD_TRAPPED) {
		printf("stop %x\n", info.si_status);
		trace(PTRACE_CONT, pid, 0, info.si_status == SIGUSR1 || info.si_status >> 8 ? 0 : info.si_status);
	}
	if (seized)
		waitpid(pid, &status, 0);
	else
		printf("%d: %d\n", info.si_code == CLD_EXITED, info.si_status);
}

BEHAVIOUR(attach_and_wait_for_nothing)
{
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			quiet_ok();
	for (int i = 0; i < 20; i++) {
		if (trace(PTRACE_ATTACH, pid, 0, 0)) {
			printf("attach: %s\n", strerror(errno));
			break;
		}
		pid_t r = waitpid(pid, NULL, 0);
		siginfo_t info = { 0 };
		printf("%d", r == pid && trace(PTRACE_GETSIGINFO, pid, 0, (long)&info) == 0 && info.si_signo == SIGSTOP);
		printf(" detach: %s\n", library(trace(PTRACE_DETACH, pid, 0, 0)));
	}
	kill(pid, SIGKILL);
	reap("child", pid);
}

// The tracer sees exec, fork and exit of what it traces.
BEHAVIOUR(tracer_sees_events)
{
	pid_t pid = fork();
	if (pid == 0) {
		trace_me();
		raise(SIGSTOP);
		pid_t p = fork();
		if (p == 0)
			_exit(3);
		waitpid(p, NULL, 0);
		execl("/bin/true", "true", NULL);
		_exit(9);
	}
	int status, events[16] = { 0 };
	waitpid(pid, &status, 0);
	if (WIFEXITED(status))
		return;
	trace(PTRACE_SETOPTIONS, pid, 0, 0x2 | 0x4 | 0x8 | 0x10 | 0x40 | 0x100000); // fork, vfork, clone, exec, exit, exitkill
	trace(PTRACE_CONT, pid, 0, 0);
	for (pid_t p; (p = waitpid(-1, &status, __WALL)) > 0;) {
		if (!WIFSTOPPED(status)) {
			say_status(p == pid ? "child" : "grandchild", status);
			continue;
		}
		events[status >> 16 & 15]++;
		go_on(PTRACE_CONT, p, status);
	}
	printf("fork %d, vfork %d, clone %d, exec %d, exit %d\n", events[1], events[2], events[3], events[4], events[6]);
}

// A tracer that makes all calls itself, as user mode kernels do.
BEHAVIOUR(tracer_skips_calls)
{
	pid_t pid = fork();
	if (pid == 0) {
		trace_me();
		syscall(SYS_kill, getpid(), SIGSTOP);
		int wrong = 0;
		for (int i = 0; i < 3; i++)
			wrong += syscall(SYS_getsid, 0) != 1000 + i;
		wrong += CALL(NR_GETRANDOM, 77, 88, 99, 0) != 1003;
		_exit(wrong);
	}
	int status;
	struct user_regs_struct regs;
	waitpid(pid, &status, 0);
	if (WIFEXITED(status))
		return;
	for (int i = 0; i < 4; i++) {
		trace(PTRACE_SYSEMU, pid, 0, 0);
		waitpid(pid, &status, 0);
		trace(PTRACE_GETREGS, pid, 0, (long)&regs);
		printf("stop %x: call %lld, %lld, of %lld\n", status, regs.orig_rax, regs.rax, regs.rdi);
		regs.rax = 1000 + i;
		trace(PTRACE_SETREGS, pid, 0, (long)&regs);
	}
	trace(PTRACE_CONT, pid, 0, 0);
	reap("child", pid);
}

// A tracer that follows a tracee from within its vfork, whose entry it has not heard of,
// or lets it go there and follows it later.
BEHAVIOUR(followed_from_vfork_on)
{
	for (int later = 0; later < 2; later++) {
		pid_t pid = fork(), other;
		if (pid == 0) {
			trace_me();
			syscall(SYS_kill, getpid(), SIGSTOP);
			pid_t p = vfork();
			if (p == 0)
				_exit(3);
			syscall(SYS_kill, getpid(), SIGSTOP);
			syscall(SYS_getsid, 0);
			_exit(4);
		}
		int status;
		struct user_regs_struct regs;
		unsigned long message = 0;
		waitpid(pid, &status, 0);
		if (WIFEXITED(status))
			return;
		trace(PTRACE_SETOPTIONS, pid, 0, 0x1 | 0x4 | 0x20 | 0x100000); // sysgood, vfork, vforkdone, exitkill
		trace(PTRACE_CONT, pid, 0, 0);
		waitpid(pid, &status, 0);
		trace(PTRACE_GETEVENTMSG, pid, 0, (long)&message);
		other = message;
		printf("event %x\n", status);
		waitpid(other, &status, __WALL);
		printf("the child's child: %x\n", status);
		trace(PTRACE_SYSCALL, pid, 0, 0);
		trace(PTRACE_CONT, other, 0, 0);
		waitpid(other, &status, __WALL);
		say_status("the child's child", status);
		waitpid(pid, &status, 0);
		printf("event %x\n", status);
		trace(later ? PTRACE_CONT : PTRACE_SYSCALL, pid, 0, 0);
		for (int i = 0; i < 6 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status); i++) {
			trace(PTRACE_GETREGS, pid, 0, (long)&regs);
			printf("stop %x: call %lld, %s\n", status, regs.orig_rax,
			       (pid_t)regs.rax == other ? "the child" : (long)regs.rax == -ENOSYS ? "entry" : "exit");
			trace(PTRACE_SYSCALL, pid, 0, 0);
		}
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

// Signals that a tracer sees, passes on, and swallows.
static volatile int count;
static void on_user(int sig, siginfo_t *info, void *context) { count++, UNUSED(sig), UNUSED(info), UNUSED(context); }
BEHAVIOUR(tracer_and_signals)
{
	pid_t pid = fork();
	if (pid == 0) {
		handle(SIGUSR1, on_user, 0);
		handle(SIGUSR2, on_user, 0);
		trace_me();
		raise(SIGUSR1);
		raise(SIGUSR2);
		_exit(count * 10 + quiet_ok());
	}
	int status, seen = 0;
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		seen++;
		trace(PTRACE_CONT, pid, 0, WSTOPSIG(status) == SIGUSR1 ? 0 : WSTOPSIG(status));
	}
	printf("%d stops\n", seen);
	say_status("child", status);
}

// A signal comes between a call's entry and its end. The call may begin anew behind it, but each
// entry has its exit before the handler runs. What the handler does is followed too.
static void on_user_calling(int sig, siginfo_t *info, void *context)
{
	count += info->si_code == SI_USER && quiet_ok(), UNUSED(sig), UNUSED(context);
}
BEHAVIOUR(tracer_and_signals_at_entries)
{
	enum { ROUNDS = 60 };
	pid_t pid = fork();
	if (pid == 0) {
		handle(SIGUSR1, on_user_calling, SA_RESTART);
		trace_me();
		raise(SIGSTOP);
		for (int i = 0; i < ROUNDS; i++)
			if (CALL(124, 0, 0, 0, 0) != getsid(0) || !quiet_ok())
				_exit(1);
		_exit(count);
	}
	int status, inside = 0, nr = 0, again = 0, done = 0, sent = 0, came = 0, wrong = 0;
	waitpid(pid, &status, 0);
	if (WIFEXITED(status))
		return;
	trace(PTRACE_SETOPTIONS, pid, 0, 1 | 0x100000); // tracesysgood, exitkill
	for (;;) {
		struct ptrace_syscall_info info = { 0 };
		go_on(PTRACE_SYSCALL, pid, status);
		if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
			break;
		if (status >> 8 == SIGUSR1) {
			came++;
			wrong += inside;
			continue;
		}
		trace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (long)&info);
		if (status >> 8 != (SIGTRAP | 0x80) || inside != (info.op == PTRACE_SYSCALL_INFO_EXIT)) {
			wrong++;
			continue;
		}
		inside = !inside;
		if (inside)
			nr = info.entry.nr;
		if (nr != SYS_getsid)
			continue;
		if (inside && !again)
			sent += kill(pid, SIGUSR1) == 0;
		if (!inside) {
			again = info.exit.rval <= -512;
			done += info.exit.rval == getsid(0);
		}
	}
	printf("%d done, %d signals, %d came, %d wrong\n", done, sent, came, wrong);
	say_status("child", status);
}

static void run(const char *command)
{
	fflush(stdout);
	int r = system(command);
	printf("status %x\n", r);
}
BEHAVIOUR(under_strace)
{
	char line[5000];
	snprintf(line, sizeof line, "strace -f -o trace -e trace=getsid,execve '%s' makes_calls && sed -n 's/.*\\(getsid(0)\\).*/\\1/p' trace | sort | uniq -c; rm -f trace", argv[0]);
	run(line);
}
BEHAVIOUR(under_gdb)
{
	char line[5000];
	snprintf(line, sizeof line,
		 "timeout -s KILL 5 gdb -nx --batch -iex 'set debuginfod enabled off' -ex 'break stop_here' -ex run -ex bt -ex finish -ex 'print where_now' -ex continue "
		 "--args '%s' makes_calls 2>&1 | grep -E '^(#|Breakpoint|.1 =|made|.*exited)' | sed -E 's/0x[0-9a-f]+/ADDRESS/g; s/process [0-9]+/process/; s, at .*/,,'",
		 argv[0]);
	run(line);
}

volatile int where_now = 4711;
__attribute__((noinline)) int stop_here(int n)
{
	__asm__ volatile("" ::: "memory");
	return n + quiet_ok() + where_now;
}
BEHAVIOUR(makes_calls)
{
	for (int i = 0; i < 3; i++)
		getsid(0);
	printf("made, calls good %d, %d\n", calls_ok(), stop_here(1));
}
