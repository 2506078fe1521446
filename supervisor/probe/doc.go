// Package probe finds out what the running kernel lets this process do: it
// tries each feature, and says for each mechanism whether it can be used here,
// by this user, or why not.
//
// # Mechanism
//
// A version number says what a kernel should have; a container's profile, a
// security module, a sysctl or a build option may take it away again. So every
// feature is used for real, once. Most of that can't be taken back in the
// process that does it (a seccomp filter, no_new_privs), or stops it (ptrace);
// it happens in a child of its own for each feature, a freestanding ELF of a few
// kilobytes (child/child.c) that is executed from a memory file, or from a
// temporary file where that is forbidden, and that says how it went on a pipe.
// The kernel version that brought a feature is only used to explain its absence.
//
// Calls that the tool needs are also made with arguments that the kernel itself
// refuses in a known way: any other answer is a seccomp profile's, and it is
// named.
//
// # What an answer means
//
// Yes and No are conclusive: the feature was used and worked, or it was refused.
// Everything else is Unknown, and says why.
//
// # Threads and processes
//
// Run may be called from several goroutines at once. It tells about the calling
// thread, whose filters and namespaces the children inherit. It starts some 50
// short-lived processes, one after the other, in a process group each, and a
// cgroup for a moment where it may. It changes nothing in its own process.
//
// # Limits
//
// A feature that worked in the probe's child can be refused to another program
// (a security module may confine by executable). x86-64 only.
package probe
