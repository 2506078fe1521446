package policy

import (
	"fmt"
	"slices"
	"strings"
)

// uringCalls are the calls that io_uring can perform without making them
// (enum io_uring_op, linux/io_uring.h), with the older ones that do the same.
const uringCalls = "accept accept4 bind close connect creat epoll_ctl epoll_wait fadvise64 fallocate fdatasync " +
	"fgetxattr fsetxattr fsync ftruncate futex futex_wait futex_waitv futex_wake getxattr link linkat listen lstat " +
	"madvise mkdir mkdirat newfstatat open openat openat2 pipe pipe2 poll ppoll pread64 preadv preadv2 pwrite64 pwritev " +
	"pwritev2 read readv recvfrom recvmsg rename renameat renameat2 rmdir sendmsg sendto setxattr shutdown socket " +
	"splice stat statx symlink symlinkat sync_file_range tee unlink unlinkat waitid write writev"

// siblings do the same thing under another number.
var siblings = [...]string{
	"access faccessat faccessat2",
	"chmod fchmod fchmodat fchmodat2",
	"chown fchown fchownat lchown",
	"clone clone3 fork vfork",
	"creat open openat openat2",
	"execve execveat",
	"init_module finit_module",
	"kexec_load kexec_file_load",
	"kill pidfd_send_signal rt_sigqueueinfo rt_tgsigqueueinfo tgkill tkill",
	"link linkat",
	"mkdir mkdirat",
	"mknod mknodat",
	"mount move_mount",
	"rename renameat renameat2",
	"setgid setregid setresgid",
	"setreuid setresuid setuid",
	"symlink symlinkat",
	"unlink unlinkat",
}

// intArgs are arguments that the kernel cuts to 32 bits, for calls that are
// often judged by them: the digits are the arguments' indexes.
const intArgs = "accept4:03 access:1 bind:0 bpf:02 chmod:1 clock_gettime:0 clock_nanosleep:01 clock_settime:0 close:0 " +
	"connect:0 creat:1 dup2:01 dup3:012 execveat:04 faccessat:02 faccessat2:023 fchmod:01 fchmodat:02 fchmodat2:023 " +
	"fcntl:01 flock:01 getrandom:2 getsockopt:012 ioctl:01 io_uring_setup:0 keyctl:0 kill:01 linkat:024 listen:01 " +
	"lseek:02 madvise:2 memfd_create:1 mkdir:1 mkdirat:02 mknod:12 mknodat:023 mlockall:0 open:12 openat:023 " +
	"openat2:0 personality:0 perf_event_open:123 pidfd_open:01 pidfd_send_signal:013 prctl:0 prlimit64:01 read:0 " +
	"renameat:02 renameat2:024 rt_sigaction:0 rt_sigqueueinfo:01 seccomp:01 sendmsg:02 sendto:03 setns:01 setgid:0 " +
	"setpriority:012 setresgid:012 setresuid:012 setrlimit:0 setsockopt:0124 setuid:0 shutdown:01 signalfd4:03 " +
	"socket:012 socketpair:012 syslog:0 tgkill:012 tkill:01 timerfd_create:01 umount2:1 unlinkat:02 wait4:02 write:0"

func inWords(words, word string) bool {
	for w := range strings.FieldsSeq(words) {
		if w == word {
			return true
		}
	}
	return false
}

func isIntArg(name string, arg int) bool {
	for w := range strings.FieldsSeq(intArgs) {
		if call, digits, _ := strings.Cut(w, ":"); call == name {
			return strings.ContainsRune(digits, rune('0'+arg))
		}
	}
	return false
}

// warnings finds what a plan lets through or does although its author probably
// meant something else.
func warnings(p *Plan) []Warning {
	var out []Warning
	warn := func(pos Pos, format string, args ...any) {
		out = append(out, Warning{Pos: pos, Msg: fmt.Sprintf(format, args...)})
	}
	if p.RNG.Source == Deterministic {
		where := ""
		if p.RNG.CPUs == CPUsOne {
			where = "; programs run on one CPU"
		}
		warn(p.RNG.Pos, "random bytes are deterministic, from the seed %s, and no secret: for tests only%s", seedLabel(p.RNG.Seed), where)
		out[0].EachRun = true
	}
	refusing := p.Default.Kind == Deny || p.Default.Kind == Kill
	var uring []string
	var uringPos Pos
	for i := range p.Rules {
		r := &p.Rules[i]
		switch k := r.Action.Kind; {
		case r.Implicit:
			continue
		case k == Return && r.Action.Value < 0 && r.Action.Value >= -maxErrno:
			warn(r.Pos, "%s: the program takes a return value of %d for the error %s", r.Name, r.Action.Value, errnoLabel(int(-r.Action.Value)))
		case k == Errno && r.Action.Errno > knownErrno:
			warn(r.Pos, "%s: no C library knows errno %d%s", r.Name, r.Action.Errno, restartNote(r.Action.Errno))
		case k == Deny || k == Kill:
			refusing = true
			if inWords(uringCalls, r.Name) && !slices.Contains(uring, r.Name) {
				if len(uring) == 0 {
					uringPos = r.Pos
				}
				uring = append(uring, r.Name)
			}
			for _, c := range r.Conds {
				if (c.Op == Equal || c.Op == Less || c.Op == LessEqual) && isIntArg(r.Name, c.Arg) {
					warn(r.Pos, "%s: the kernel reads 32 bits of arg%d and this rule 64, so a program can get past it: write %s", r.Name, c.Arg, suggestInt(c))
				}
			}
		}
	}
	if nr, _ := Number("io_uring_setup"); len(uring) > 0 && !p.refuses(nr) {
		warn(uringPos, "%s denied, but io_uring does the same unseen: deny io_uring_setup too", are(uring))
	}
	for _, group := range siblings {
		out = append(out, p.openSiblings(group)...)
	}
	if refusing && p.ForeignAllow {
		warn(Pos{}, "foreign is allow, so a denied call can be made through int 0x80 or the x32 ABI")
	}
	return out
}

func suggestInt(c Cond) string {
	if c.Op == Equal && c.Value <= 0xffffffff {
		return fmt.Sprintf("int(arg%d) == %s", c.Arg, number(c.Value))
	}
	return "the values that it means as int(…) == …, each in a rule of its own, or allow the others and deny the rest"
}

// restartNote explains the numbers by which kernel code asks for a restart
// (include/linux/errno.h): programs never see them, unless a filter makes one.
func restartNote(e int) string {
	switch e {
	case 512, 513, 514, 516:
		return ", and with a signal pending the kernel takes it for a wish to repeat the call"
	}
	return ""
}

// refuses reports whether every call of nr is denied or killed.
func (p *Plan) refuses(nr int) bool {
	rules := p.For(nr)
	for i := range rules {
		k := rules[i].Action.Kind
		if k != Deny && k != Kill {
			return false
		}
		if len(rules[i].Conds) == 0 {
			return true
		}
	}
	return p.Default.Kind == Deny || p.Default.Kind == Kill
}

// openSiblings warns where a call is denied for good and another that does the
// same is allowed without a word about it.
func (p *Plan) openSiblings(group string) []Warning {
	if p.Default.Kind != Allow {
		return nil
	}
	var denied, open []string
	var pos Pos
	for name := range strings.FieldsSeq(group) {
		nr, _ := Number(name)
		rules := p.For(nr)
		switch {
		case len(rules) == 0:
			open = append(open, name)
		case len(rules[0].Conds) == 0 && (rules[0].Action.Kind == Deny || rules[0].Action.Kind == Kill):
			if len(denied) == 0 {
				pos = rules[0].Pos
			}
			denied = append(denied, name)
		}
	}
	if len(denied) == 0 || len(open) == 0 {
		return nil
	}
	return []Warning{{Pos: pos, Msg: fmt.Sprintf("%s denied, but %s can do the same", are(denied), strings.Join(open, ", "))}}
}

func are(names []string) string {
	if len(names) == 1 {
		return names[0] + " is"
	}
	return enumerate(names) + " are"
}

// enumerate is "a", "a and b", "a, b and c" or "a, b and 7 more".
func enumerate(names []string) string {
	switch n := len(names); n {
	case 1:
		return names[0]
	case 2:
		return names[0] + " and " + names[1]
	case 3:
		return names[0] + ", " + names[1] + " and " + names[2]
	default:
		return fmt.Sprintf("%s, %s and %d more", names[0], names[1], n-2)
	}
}
