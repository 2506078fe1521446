// Package trees finds the trees of processes that run under reflect, from outside,
// and makes their generators of random bytes begin anew.
//
// # Mechanism
//
// Each tree has one guardian, a process of a known name which lives as long as the
// tree (internal/guardian). It holds a descriptor of its supervisor and one of the
// memory file with the generation, which it has mapped, and may write to, as nobody
// else has; both are found in /proc. A queued real-time signal asks it to bump the generation,
// and that is read back. So the kernel decides who may: a process of the same user
// for the signal (kill(2)), of the same user, group and capabilities for reading
// (PTRACE_MODE_READ_FSCREDS, ptrace(2)), and root. No socket, no file and no
// descriptor exists for it, and nothing is left when everything is killed.
//
// # Limits
//
// Trees in a pid namespace that is not below ours are not seen, and a process in a
// user namespace of its own may not read the guardian's descriptors. Where /proc is
// mounted with hidepid, other users' processes don't exist.
package trees
