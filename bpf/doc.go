// Package bpf turns a checked policy into the seccomp programs that a run
// installs, simulates them and lists them.
//
// There are two programs. The main filter leaves calls alone, notifies the
// supervisor, or answers a constant, and lets reflected calls through when
// they come from the gate, the one system call instruction in the shim. The
// deny filter, present when a rule or the default denies or kills, knows no
// gate: a jump to the gate does not get around it. The kernel runs both and
// takes the most restrictive answer. Each number's rules stand in both, in
// their order, so that the first rule whose conditions hold decides: where it
// denies, the main filter says ALLOW; where it does anything else, the deny
// filter does. So one of the two always says ALLOW, and the other decides.
//
// Each program tests architecture, then x32 bit and number by one binary
// search, then the rules' conditions on arguments, and only at the end the
// instruction pointer. On the path of a call that is not reflected nothing but
// architecture and number is loaded: that is what lets the kernel answer it
// from its bitmap without running the filter (seccomp_is_const_allow in
// kernel/seccomp.c). Foreign architectures (int 0x80) and x32 never reach the
// rules by number; the plan lets all of them through, or refuses all of them
// with ENOSYS.
//
// The exemption of the gate is cooperative. It keeps the shim's own calls from
// coming back to the supervisor; a program that jumps to the gate performs the
// system call unreflected. What must hold against such a program is said with
// deny or kill.
//
// Compile may be called from any goroutine, and a Program is not changed once
// built. Limits: x86-64; at most 4096 instructions a filter, which is the
// kernel's limit.
//
// Conditions on arguments are assembled by elastic/go-seccomp-bpf when this package is
// generated; a run fills in its templates.
package bpf

//go:generate go run gen_templates.go
