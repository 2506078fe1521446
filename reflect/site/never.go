package site

import (
	"slices"

	"golang.org/x/arch/x86/x86asm"
)

// neverCall names calls that don't return as others do: twice, elsewhere, or not at
// all. Their sites stay as they are, and a stub whose number isn't constant must lead
// them back to the site.
func neverCall(number int) string {
	switch number {
	case 15:
		return "rt_sigreturn"
	case 56:
		return "clone"
	case 57:
		return "fork"
	case 58:
		return "vfork"
	case 59:
		return "execve"
	case 322:
		return "execveat"
	case 435:
		return "clone3"
	}
	return ""
}

// Never tells whether a call must be made by the program's own instruction.
func Never(number int) bool { return neverCall(number) != "" }

// neverFunction knows functions by their names, where they have one; 0 for others.
func neverFunction(name string) Reason {
	switch name {
	case "syscall.rawVforkSyscall", "syscall.rawVforkSyscall.abi0":
		return GoVfork
	case "__syscall_cp_asm", "__syscall_cancel_arch":
		return CancelWindow
	case "__restore_rt", "__restore":
		return SignalReturn
	}
	return 0
}

// isCancelWindow knows the cancellable system call of musl, and of glibc from
// 2.41 on, without symbols: its first argument is the address of a word that it
// tests before anything else, its second the number. The signal handler
// compares the thread's program counter with what lies between test and call.
func isCancelWindow(code []byte, start uint64, b *body, site int) bool {
	shifted := []struct{ dst, src x86asm.Reg }{
		{x86asm.RAX, x86asm.RSI}, {x86asm.RDI, x86asm.RDX}, {x86asm.RSI, x86asm.RCX}, {x86asm.RDX, x86asm.R8},
		{x86asm.R10, x86asm.R9},
	}
	tested := false
	for i := site - 1; i >= 0; i-- {
		n := b.insns[i]
		d, ok := decode(code[n.addr-start:])
		if !ok {
			return false
		}
		for _, a := range d.Args {
			m, ok := a.(x86asm.Mem)
			tested = tested || ok && m.Base == x86asm.RDI && m.Index == 0 && m.Disp == 0
		}
		if dst, ok := d.Args[0].(x86asm.Reg); ok && d.Op == x86asm.MOV {
			shifted = slices.DeleteFunc(shifted, func(m struct{ dst, src x86asm.Reg }) bool {
				return dst == m.dst && d.Args[1] == x86asm.Arg(m.src)
			})
		}
		if site-i > 24 {
			break
		}
	}
	return tested && len(shifted) == 0
}
