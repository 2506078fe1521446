package bpf

import "golang.org/x/sys/unix"

const (
	nativeArch = unix.AUDIT_ARCH_X86_64
	// compatArch is the other architecture that the kernel keeps a cache of
	// constant answers for.
	compatArch = unix.AUDIT_ARCH_I386
	// x32Bit marks numbers of the x32 ABI (__X32_SYSCALL_BIT, asm/unistd.h).
	// No native number is as large, so numbers from here on are refused or let
	// through together, -1 included.
	x32Bit = 0x40000000
	// syscallLen is the length of the system call instruction: seccomp_data
	// holds the address after it.
	syscallLen = 2
)

// execNumbers are the numbers that start a new image, ascending.
var execNumbers = [...]int{unix.SYS_EXECVE, unix.SYS_EXECVEAT}

// exemptNumbers are the calls that no default refuses: those of the handoff,
// and those without which a process can neither end nor return from a signal,
// nor finish an interrupted sleep. Ascending.
var exemptNumbers = [...]int{
	unix.SYS_CLOSE, unix.SYS_MMAP, unix.SYS_MPROTECT, unix.SYS_MUNMAP, unix.SYS_RT_SIGRETURN,
	unix.SYS_EXECVE, unix.SYS_EXIT, unix.SYS_PRCTL, unix.SYS_RESTART_SYSCALL, unix.SYS_EXIT_GROUP,
	unix.SYS_SECCOMP, unix.SYS_EXECVEAT,
}

// archName names an AUDIT_ARCH value, or returns "".
func archName(arch uint32) string {
	switch arch {
	case nativeArch:
		return "x86-64"
	case compatArch:
		return "i386"
	}
	return ""
}
