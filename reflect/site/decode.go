package site

import "golang.org/x/arch/x86/x86asm"

// A flow says where the processor goes after an instruction.
type flow uint8

const (
	flowNext     flow = iota // to the next instruction, and nowhere else
	flowCall                 // elsewhere, and back to the next one
	flowBranch               // to the target or to the next one
	flowJump                 // to the target
	flowIndirect             // to an address that only a register or memory knows
	flowReturn
	flowStop    // nowhere: it traps (ud2, hlt, int3)
	flowSyscall // into the kernel by a plain `syscall`
	flowOther   // by other means: int, sysenter, iret, xbegin
)

// ends tells whether the next instruction is not reached from this one.
func (f flow) ends() bool {
	return f == flowJump || f == flowIndirect || f == flowReturn || f == flowStop
}

// An insn is what a function's body keeps of an instruction.
type insn struct {
	addr   uint64
	target uint64 // of flowBranch, flowJump and a direct flowCall, else 0
	size   uint8
	flow   flow
	pad    bool // does nothing, or is an int3: fit to fill gaps
}

func (n insn) end() uint64 { return n.addr + uint64(n.size) }

// scan decodes the instruction at the beginning of code.
func scan(code []byte, addr uint64) (insn, bool) {
	d, ok := decode(code)
	if !ok {
		return insn{}, false
	}
	n := insn{addr: addr, size: uint8(d.Len)}
	n.flow, n.target = flowOf(&d, n.end())
	n.pad = d.Op == x86asm.NOP || code[0] == 0xcc
	return n, true
}

func flowOf(d *x86asm.Inst, next uint64) (flow, uint64) {
	direct := func(known, unknown flow) (flow, uint64) {
		if rel, ok := d.Args[0].(x86asm.Rel); ok {
			return known, next + uint64(int64(rel))
		}
		return unknown, 0
	}
	switch d.Op {
	case x86asm.JMP:
		return direct(flowJump, flowIndirect)
	case x86asm.CALL:
		return direct(flowCall, flowCall)
	case x86asm.JA, x86asm.JAE, x86asm.JB, x86asm.JBE, x86asm.JCXZ, x86asm.JE, x86asm.JECXZ, x86asm.JG, x86asm.JGE,
		x86asm.JL, x86asm.JLE, x86asm.JNE, x86asm.JNO, x86asm.JNP, x86asm.JNS, x86asm.JO, x86asm.JP, x86asm.JRCXZ,
		x86asm.JS, x86asm.LOOP, x86asm.LOOPE, x86asm.LOOPNE, x86asm.XBEGIN:
		return direct(flowBranch, flowOther)
	case x86asm.RET, x86asm.LRET:
		return flowReturn, 0
	case x86asm.LJMP:
		return flowIndirect, 0
	case x86asm.LCALL:
		return flowCall, 0
	case x86asm.UD1, x86asm.UD2, x86asm.HLT, x86asm.ICEBP:
		return flowStop, 0
	case x86asm.INT:
		if d.Len == 1 {
			return flowStop, 0
		}
		return flowOther, 0
	case x86asm.SYSCALL:
		if d.Len == 2 {
			return flowSyscall, 0
		}
		return flowOther, 0
	case x86asm.SYSENTER, x86asm.SYSEXIT, x86asm.SYSRET, x86asm.IRET, x86asm.IRETD, x86asm.IRETQ, x86asm.INTO,
		x86asm.XABORT, x86asm.RSM:
		return flowOther, 0
	}
	return flowNext, 0
}

// decode is x86asm with its gaps covered. What it does not know at all it
// gives as "a prefix alone", an instruction without Op; an instruction without
// Op that decode returns is one of known length and unknown meaning.
func decode(code []byte) (x86asm.Inst, bool) {
	d, err := x86asm.Decode(code, 64)
	if err == nil && d.Op != 0 {
		return d, true
	}
	if n := gapLen(code); n != 0 {
		return x86asm.Inst{Len: n, Mode: 64}, true
	}
	return x86asm.Inst{}, false
}

// gapLen is the length of an instruction that x86asm doesn't know, 0 if we
// don't either.
func gapLen(code []byte) int {
	code = code[:min(len(code), 15)]
	var operand16, rep, repne, rexW bool
	i := 0
prefixes:
	for ; i < len(code); i++ {
		switch b := code[i]; {
		case b == 0x66:
			operand16, rexW = true, false
		case b == 0xf3:
			rep, rexW = true, false
		case b == 0xf2:
			repne, rexW = true, false
		case b == 0x2e || b == 0x36 || b == 0x3e || b == 0x26 || b == 0x64 || b == 0x65:
			rexW = false
		case b&0xf0 == 0x40:
			rexW = b&8 != 0
		default:
			break prefixes
		}
	}
	op := code[i:]
	is := func(b ...byte) bool {
		return len(op) > len(b) && string(op[:len(b)]) == string(b)
	}
	// end is where the instruction ends whose ModRM byte stands at op[m].
	end := func(m, immediate int) int {
		n := modrmLen(op[min(m, len(op)):])
		if n == 0 || i+m+n+immediate > len(code) {
			return 0
		}
		return i + m + n + immediate
	}
	switch {
	case is(0x0f, 0x01) && op[2] >= 0xc0:
		switch op[2] {
		case 0xee, 0xef, // rdpkru, wrpkru
			0xcf, 0xe8, 0xea, 0xec, 0xed, 0xe9, 0xca, 0xcb, // encls, setssbsy, saveprevssp, uintr, clac, stac
			0xfa, 0xfb, 0xfc: // monitorx, mwaitx, clzero
			return i + 3
		}
	case is(0x0f, 0x01) && rep && op[2]>>3&7 == 5: // rstorssp
		return end(2, 0)
	case is(0x0f, 0x1e), is(0x0f, 0x1d), is(0x0f, 0x1c), is(0x0f, 0x1f): // endbr64, rdssp, cldemote, nops
		return end(2, 0)
	case is(0x0f, 0xae): // incssp, clrssbsy, umonitor, umwait, tpause, clwb, ptwrite
		if rep || repne || operand16 {
			return end(2, 0)
		}
	case is(0x0f, 0xc7): // rdpid, rdrand, rdseed, senduipi, xsavec, xsaves
		return end(2, 0)
	case is(0x0f, 0xa6), is(0x0f, 0xa7): // VIA's xcrypt, xstore and their like
		if op[2] >= 0xc0 {
			return i + 3
		}
	case is(0x0f, 0x38, 0xf6), is(0x0f, 0x38, 0xf5), is(0x0f, 0x38, 0xf9), is(0x0f, 0x38, 0xf8):
		// adcx, adox, wrss; wruss; movdiri; movdir64b, enqcmd
		return end(3, 0)
	case is(0xf6), is(0xf7): // test, the second encoding
		if op[1]>>3&7 == 1 {
			if op[0] == 0xf6 {
				return end(1, 1)
			} else if !operand16 || rexW {
				return end(1, 4)
			}
			return end(1, 2)
		}
	case is(0xc0), is(0xc1): // shl, the second encoding
		if op[1]>>3&7 == 6 {
			return end(1, 1)
		}
	case is(0xd0), is(0xd1), is(0xd2), is(0xd3):
		if op[1]>>3&7 == 6 {
			return end(1, 0)
		}
	case is(0x8f) && op[1]&0x1f >= 8: // AMD's XOP; its prefix is never combined
		if i != 0 || len(op) < 5 {
			return 0
		}
		switch op[1] & 0x1f {
		case 8:
			return end(4, 1)
		case 9:
			return end(4, 0)
		case 10:
			return end(4, 4)
		}
	}
	return 0
}

// modrmLen is the length of a ModRM byte with what belongs to it, 0 if code is
// too short.
func modrmLen(code []byte) int {
	if len(code) == 0 {
		return 0
	}
	n, mod, rm := 1, code[0]>>6, code[0]&7
	if mod == 3 {
		return 1
	}
	if rm == 4 {
		if len(code) < 2 {
			return 0
		}
		n, rm = 2, code[1]&7
	}
	switch {
	case mod == 1:
		n++
	case mod == 2 || rm == 5:
		n += 4
	}
	if n > len(code) {
		return 0
	}
	return n
}
