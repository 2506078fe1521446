package policy

import (
	"slices"
	"strings"
)

// A Set is a named group of system calls, written "@name" in a policy.
type Set struct {
	Name        string // with the @
	Description string
	// Systemd means that systemd's SystemCallFilter= has a set of this name
	// and meaning; ours adds calls that are newer and leaves out those that
	// x86-64 does not have.
	Systemd bool

	calls string // names and other sets, separated by spaces; a name with - is left out
}

// Sets returns all sets, ordered by name.
func Sets() []Set { return slices.Clone(sets[:]) }

// LookupSet returns the set of that name, which begins with @.
func LookupSet(name string) (Set, bool) {
	i, ok := slices.BinarySearchFunc(sets[:], name, func(s Set, name string) int { return strings.Compare(s.Name, name) })
	if !ok {
		return Set{}, false
	}
	return sets[i], true
}

// Numbers returns the numbers of the calls in s, in ascending order.
func (s Set) Numbers() []int {
	var in [lastCall + 1]bool
	s.mark(&in)
	var out []int
	for nr, ok := range in {
		if ok {
			out = append(out, nr)
		}
	}
	return out
}

func (s Set) mark(in *[lastCall + 1]bool) {
	if s.calls == "" { // @known
		for _, nr := range Numbers() {
			in[nr] = true
		}
	}
	for word := range strings.FieldsSeq(s.calls) {
		if name, out := strings.CutPrefix(word, "-"); out {
			if nr, ok := Number(name); ok {
				in[nr] = false
			}
		} else if inner, ok := LookupSet(word); ok {
			inner.mark(in)
		} else if nr, ok := Number(word); ok {
			in[nr] = true
		}
	}
}

// Has reports whether the call with number nr is in s.
func (s Set) Has(nr int) bool {
	_, ok := slices.BinarySearch(s.Numbers(), nr)
	return ok
}

// sets is ordered by name. Names and meanings are systemd's where it has
// them (systemd-analyze syscall-filter).
var sets = [...]Set{
	{"@aio", "asynchronous input and output, io_uring included", true,
		"io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit @io-uring"},
	{"@all", "every call that can be passed through", false,
		"@known -clone -clone3 -execve -execveat -exit -exit_group -fork -restart_syscall -rt_sigreturn -uprobe -uretprobe -vfork"},
	{"@basic-io", "reading, writing, seeking, duplicating and closing descriptors", true,
		"close close_range dup dup2 dup3 lseek pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readv write writev"},
	{"@chown", "changing the owner of files", true,
		"chown fchown fchownat lchown"},
	{"@clock", "setting the system's time", true,
		"adjtimex clock_adjtime clock_settime settimeofday"},
	{"@cpu-emulation", "emulating other modes of the processor", true,
		"modify_ldt"},
	{"@debug", "debugging, tracing and performance counters", true,
		"lookup_dcookie perf_event_open pidfd_getfd ptrace uprobe uretprobe"},
	{"@default", "what nearly every program needs: memory, ids, clocks, futexes, exec and exit", true,
		"arch_prctl brk clock_getres clock_gettime clock_nanosleep execve exit exit_group futex futex_requeue futex_wait " +
			"futex_waitv futex_wake get_robust_list get_thread_area getegid geteuid getgid getgroups getpgid getpgrp getpid " +
			"getppid getrandom getresgid getresuid getrlimit getsid gettid gettimeofday getuid membarrier mmap mprotect " +
			"munmap nanosleep pause prlimit64 restart_syscall rseq rseq_slice_yield rt_sigreturn sched_getaffinity " +
			"sched_yield set_robust_list set_thread_area set_tid_address time uprobe uretprobe"},
	{"@exec", "running another program", false,
		"execve execveat"},
	{"@file-system", "opening, examining and changing files and directories", true,
		"access chdir chmod close creat faccessat faccessat2 fallocate fchdir fchmod fchmodat fchmodat2 fcntl " +
			"fgetxattr file_getattr file_setattr flistxattr fremovexattr fsetxattr fstat fstatfs ftruncate futimesat getcwd " +
			"getdents getdents64 getxattr getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch lgetxattr " +
			"link linkat listxattr listxattrat llistxattr lremovexattr lsetxattr lstat mkdir mkdirat mknod mknodat " +
			"newfstatat open openat openat2 readlink readlinkat removexattr removexattrat rename renameat renameat2 rmdir " +
			"setxattr setxattrat stat statfs statx symlink symlinkat truncate unlink unlinkat utime utimensat utimes"},
	{"@handoff", "what the supervisor itself needs in a program at each exec", false,
		"close execve execveat mmap mprotect munmap prctl seccomp"},
	{"@identity", "who and where the program is: user, group, process and host names and numbers", false,
		"capget getegid geteuid getgid getgroups getpgid getpgrp getpid getppid getresgid getresuid getsid gettid getuid uname"},
	{"@io-event", "waiting for many descriptors", true,
		"epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd " +
			"eventfd2 poll ppoll pselect6 select"},
	{"@io-uring", "io_uring, which performs file and network calls that no filter sees", false,
		"io_uring_enter io_uring_register io_uring_setup"},
	{"@ipc", "pipes, shared memory, semaphores, message queues and other processes' memory", true,
		"memfd_create mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd " +
			"pipe pipe2 process_madvise process_vm_readv process_vm_writev semctl semget semop semtimedop shmat shmctl " +
			"shmdt shmget"},
	{"@keyring", "the kernel's key rings", true,
		"add_key keyctl request_key"},
	{"@known", "every call of the table", true, ""},
	{"@memlock", "locking memory", true,
		"mlock mlock2 mlockall munlock munlockall"},
	{"@memory", "a program's own address space", false,
		"@memlock @pkey brk get_mempolicy madvise map_shadow_stack mbind memfd_secret migrate_pages mincore mmap " +
			"move_pages mprotect mremap mseal msync munmap process_mrelease remap_file_pages set_mempolicy " +
			"set_mempolicy_home_node userfaultfd"},
	{"@module", "kernel modules", true,
		"create_module delete_module finit_module get_kernel_syms init_module query_module"},
	{"@mount", "mounting file systems and examining mounts", true,
		"chroot fsconfig fsmount fsopen fspick listmount mount mount_setattr move_mount open_tree open_tree_attr " +
			"pivot_root statmount umount2"},
	{"@network-io", "sockets, of the network and of the machine", true,
		"accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg " +
			"sendmsg sendto setsockopt shutdown socket socketpair"},
	{"@obsolete", "calls that current kernels no longer have, or that nobody should use", true,
		"_sysctl afs_syscall create_module epoll_ctl_old epoll_wait_old get_kernel_syms getpmsg nfsservctl putpmsg " +
			"query_module security sysfs tuxcall uselib ustat vserver"},
	{"@pkey", "memory protection keys", true,
		"pkey_alloc pkey_free pkey_mprotect"},
	{"@privileged", "calls that need a capability", true,
		"@chown @clock @module @raw-io @reboot @swap _sysctl acct bpf capset chroot fanotify_init fanotify_mark " +
			"nfsservctl open_by_handle_at pivot_root quotactl quotactl_fd setdomainname setfsuid setgroups sethostname " +
			"setresuid setreuid setuid syslog vhangup"},
	{"@process", "creating, examining, signalling and waiting for processes, and namespaces", true,
		"capget clone clone3 execveat fork getrusage kill listns pidfd_open pidfd_send_signal prctl rt_sigqueueinfo " +
			"rt_tgsigqueueinfo setns tgkill times tkill unshare vfork wait4 waitid"},
	{"@random", "random bytes", false,
		"getrandom"},
	{"@raw-io", "direct access to devices' ports", true,
		"ioperm iopl"},
	{"@reboot", "restarting the machine or its kernel", true,
		"kexec_file_load kexec_load reboot"},
	{"@resources", "priorities, limits and placement", true,
		"ioprio_set mbind migrate_pages move_pages sched_setaffinity sched_setattr sched_setparam sched_setscheduler " +
			"set_mempolicy set_mempolicy_home_node setpriority setrlimit"},
	{"@sandbox", "giving up rights for good", true,
		"landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp"},
	{"@setuid", "changing user and group ids", true,
		"setgid setgroups setregid setresgid setresuid setreuid setuid"},
	{"@signal", "handling signals", true,
		"rt_sigaction rt_sigpending rt_sigprocmask rt_sigsuspend rt_sigtimedwait sigaltstack signalfd signalfd4"},
	{"@sleep", "sleeping for a time or until a signal", false,
		"clock_nanosleep nanosleep pause"},
	{"@swap", "swap devices", true,
		"swapoff swapon"},
	{"@sync", "writing files and memory to their disk", true,
		"fdatasync fsync msync sync sync_file_range syncfs"},
	{"@system-service", "what an ordinary service needs", true,
		"@aio @basic-io @chown @default @file-system @io-event @ipc @keyring @memlock @network-io @process @resources " +
			"@setuid @signal @sync @timer cachestat capset copy_file_range fadvise64 flock get_mempolicy getcpu getpriority " +
			"ioctl ioprio_get kcmp lsm_get_self_attr lsm_list_modules lsm_set_self_attr madvise mremap mseal " +
			"name_to_handle_at personality readahead remap_file_pages sched_get_priority_max sched_get_priority_min " +
			"sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sendfile setfsgid setfsuid setpgid " +
			"setsid splice sysinfo tee umask uname userfaultfd vmsplice"},
	{"@time", "reading clocks: what the vDSO has of it", false,
		"clock_getres clock_gettime gettimeofday time"},
	{"@timer", "timers and alarms", true,
		"alarm getitimer setitimer timer_create timer_delete timer_getoverrun timer_gettime timer_settime " +
			"timerfd_create timerfd_gettime timerfd_settime times"},
	{"@vdso", "the calls that have a vDSO function: the ones that the shim can serve", false,
		"@random @time getcpu"},
}
