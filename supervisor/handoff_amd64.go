package supervisor

import "golang.org/x/sys/unix"

const (
	userCS64 = 0x33 // __USER_CS: the code segment of 64-bit programs
	// noSyscall in orig_rax means that no system call is to be restarted or,
	// at its entry, made (do_syscall_64).
	noSyscall = ^uint64(0)
)

// enterSyscall points regs at a syscall instruction with a call in them.
func enterSyscall(regs *unix.PtraceRegs, insn, nr uint64, args []uint64) {
	regs.Rip, regs.Rax, regs.Orig_rax = insn, nr, noSyscall
	for i, r := range []*uint64{&regs.Rdi, &regs.Rsi, &regs.Rdx, &regs.R10, &regs.R8, &regs.R9} {
		*r = 0
		if i < len(args) {
			*r = args[i]
		}
	}
}

// routineArgs are the parameters of the shim's handoff routine; vdsoshim states
// its register protocol.
type routineArgs struct {
	region, counters int32
	stack            uint64 // initial stack pointer: the address of argc
	mm               uint64 // address of a struct prctl_mm_map, or 0
	user             uint64 // length of the user's vDSO image, or 0
	trace            int32  // number of the final call
	unarmed          bool   // calls are to be made afterwards that dispatch would take
}

func enterRoutine(regs *unix.PtraceRegs, entry uint64, a routineArgs) {
	regs.Rip, regs.Orig_rax = entry, noSyscall
	regs.Rdi, regs.Rsi = uint64(a.region), uint64(int64(a.counters))
	regs.Rdx, regs.R8, regs.R9, regs.R10 = a.stack, a.mm, a.user, uint64(a.trace)
	if a.unarmed {
		regs.R10 |= 1 << 32
	}
}

// routineResult reads what the routine left for its final call.
func routineResult(regs *unix.PtraceRegs) (status, step int64) {
	return int64(regs.Rdi), int64(regs.Rsi)
}
