package site

import "golang.org/x/arch/x86/x86asm"

// What is known of an operation; what is not in the table is unknown and stays
// where it is.
type meaning uint8

const (
	// moves: it may be executed elsewhere. It changes registers, flags or
	// memory, by its operands alone.
	moves meaning = 1 << iota
	// sets: of the registers, its first operand is all that it changes.
	sets
	// spares: it changes no register.
	spares
	// keepsFlags: it neither reads nor changes the arithmetic flags.
	keepsFlags
	// setsFlags: it changes them all and reads none.
	setsFlags
)

// Not among them, though they could be: x87 instructions, which leave their
// address in a register; push and pop, which would need unwind tables of their
// own in a stub; string instructions; whatever depends on a mode.
var meanings = [...]meaning{
	x86asm.MOV: moves | sets | keepsFlags, x86asm.MOVZX: moves | sets | keepsFlags,
	x86asm.MOVSX: moves | sets | keepsFlags, x86asm.MOVSXD: moves | sets | keepsFlags,
	x86asm.LEA: moves | sets | keepsFlags, x86asm.NOT: moves | sets | keepsFlags,
	x86asm.BSWAP: moves | sets | keepsFlags, x86asm.NOP: moves | spares | keepsFlags,
	x86asm.CDQE: moves | keepsFlags, x86asm.CWDE: moves | keepsFlags,
	x86asm.CDQ: moves | keepsFlags, x86asm.CQO: moves | keepsFlags,

	x86asm.XOR: moves | sets | setsFlags, x86asm.AND: moves | sets | setsFlags, x86asm.OR: moves | sets | setsFlags,
	x86asm.ADD: moves | sets | setsFlags, x86asm.SUB: moves | sets | setsFlags, x86asm.NEG: moves | sets | setsFlags,
	x86asm.CMP: moves | spares | setsFlags, x86asm.TEST: moves | spares | setsFlags,
	x86asm.INC: moves | sets, x86asm.DEC: moves | sets, x86asm.ADC: moves | sets, x86asm.SBB: moves | sets,
	x86asm.SHL: moves | sets, x86asm.SHR: moves | sets, x86asm.SAR: moves | sets,
	x86asm.ROL: moves | sets, x86asm.ROR: moves | sets, x86asm.BT: moves | spares,
	x86asm.IMUL: moves, x86asm.XCHG: moves, x86asm.XADD: moves, x86asm.CMPXCHG: moves,

	x86asm.CMOVA: moves | sets, x86asm.CMOVAE: moves | sets, x86asm.CMOVB: moves | sets, x86asm.CMOVBE: moves | sets,
	x86asm.CMOVE: moves | sets, x86asm.CMOVG: moves | sets, x86asm.CMOVGE: moves | sets, x86asm.CMOVL: moves | sets,
	x86asm.CMOVLE: moves | sets, x86asm.CMOVNE: moves | sets, x86asm.CMOVNO: moves | sets,
	x86asm.CMOVNP: moves | sets, x86asm.CMOVNS: moves | sets, x86asm.CMOVO: moves | sets, x86asm.CMOVP: moves | sets,
	x86asm.CMOVS: moves | sets,
	x86asm.SETA:  moves | sets, x86asm.SETAE: moves | sets, x86asm.SETB: moves | sets, x86asm.SETBE: moves | sets,
	x86asm.SETE: moves | sets, x86asm.SETG: moves | sets, x86asm.SETGE: moves | sets, x86asm.SETL: moves | sets,
	x86asm.SETLE: moves | sets, x86asm.SETNE: moves | sets, x86asm.SETNS: moves | sets, x86asm.SETS: moves | sets,

	x86asm.MOVAPS: moves | sets | keepsFlags, x86asm.MOVUPS: moves | sets | keepsFlags,
	x86asm.MOVAPD: moves | sets | keepsFlags, x86asm.MOVUPD: moves | sets | keepsFlags,
	x86asm.MOVDQA: moves | sets | keepsFlags, x86asm.MOVDQU: moves | sets | keepsFlags,
	x86asm.MOVD: moves | sets | keepsFlags, x86asm.MOVQ: moves | sets | keepsFlags,
	x86asm.MOVHPS: moves | sets | keepsFlags, x86asm.MOVLPS: moves | sets | keepsFlags,
	x86asm.MOVHPD: moves | sets | keepsFlags, x86asm.MOVLPD: moves | sets | keepsFlags,
	x86asm.PXOR: moves | sets | keepsFlags, x86asm.XORPS: moves | sets | keepsFlags,
	x86asm.PUNPCKLQDQ: moves | sets | keepsFlags, x86asm.PINSRQ: moves | sets | keepsFlags,
	x86asm.POP: sets | keepsFlags, x86asm.PUSH: spares | keepsFlags,
}

// meaningOf is 0 for instructions that nothing is known of. A table by number needs
// no making at the start, as a map does.
func meaningOf(op x86asm.Op) meaning {
	if int(op) < len(meanings) {
		return meanings[op]
	}
	return 0
}

// movable tells whether an instruction does the same at another address, once
// an operand relative to rip is relocated.
func movable(d *x86asm.Inst) bool {
	if meaningOf(d.Op)&moves == 0 || d.AddrSize != 64 {
		return false
	}
	for _, a := range d.Args {
		switch a := a.(type) {
		case x86asm.Rel:
			return false
		case x86asm.Reg:
			// Segment, control and debug registers.
			if a >= x86asm.ES && a <= x86asm.TR7 {
				return false
			}
			// What is on the stack is the unwinder's.
			if a == d.Args[0] && (a == x86asm.RSP || a == x86asm.ESP || a == x86asm.SP || a == x86asm.SPB) &&
				meaningOf(d.Op)&spares == 0 {
				return false
			}
		}
	}
	return true
}

// mayFault tells whether a movable instruction uses memory that may be missing:
// any but the stack, the thread's own and what the file itself contains.
func mayFault(d *x86asm.Inst) bool {
	if d.Op == x86asm.LEA || d.Op == x86asm.NOP {
		return false
	}
	for _, a := range d.Args {
		m, ok := a.(x86asm.Mem)
		tls := m.Segment == x86asm.FS && m.Base == 0
		if ok && (m.Index != 0 || m.Segment != 0 && !tls || m.Base != x86asm.RSP && m.Base != x86asm.RIP && !tls) {
			return true
		}
	}
	return false
}

// usesRAX tells whether an instruction may read or change rax.
func usesRAX(d *x86asm.Inst) bool {
	if meaningOf(d.Op)&(sets|spares) == 0 {
		return true
	}
	for _, a := range d.Args {
		switch a := a.(type) {
		case x86asm.Reg:
			if full(a) == x86asm.RAX {
				return true
			}
		case x86asm.Mem:
			if a.Base == x86asm.RAX || a.Index == x86asm.RAX {
				return true
			}
		}
	}
	return false
}

// full gives the 64-bit register that a register is part of, 0 if it is not a
// general one.
func full(r x86asm.Reg) x86asm.Reg {
	switch {
	case r >= x86asm.AL && r <= x86asm.BL:
		return r - x86asm.AL + x86asm.RAX
	case r >= x86asm.AH && r <= x86asm.BH:
		return r - x86asm.AH + x86asm.RAX
	case r >= x86asm.SPB && r <= x86asm.R15B:
		return r - x86asm.SPB + x86asm.RSP
	case r >= x86asm.AX && r <= x86asm.R15W:
		return r - x86asm.AX + x86asm.RAX
	case r >= x86asm.EAX && r <= x86asm.R15L:
		return r - x86asm.EAX + x86asm.RAX
	case r >= x86asm.RAX && r <= x86asm.R15:
		return r
	}
	return 0
}

func wide(r x86asm.Reg) bool {
	return r >= x86asm.EAX && r <= x86asm.R15L || r >= x86asm.RAX && r <= x86asm.R15
}

// constants are the registers whose value is known. The operands of 32 bits
// extend to 64 with zeros.
type constants map[x86asm.Reg]uint64

// step follows one instruction that goes on to the next.
func (c constants) step(d *x86asm.Inst) {
	m := meaningOf(d.Op)
	if m&spares != 0 {
		return
	}
	dst, isReg := d.Args[0].(x86asm.Reg)
	if _, isMem := d.Args[0].(x86asm.Mem); m&sets != 0 && isMem {
		return
	}
	if m&sets == 0 || !isReg {
		clear(c)
		return
	}
	value, known := c.result(d, dst)
	if r := full(dst); r == 0 {
		return // a vector register
	} else if delete(c, r); known {
		c[r] = value
	}
}

func (c constants) result(d *x86asm.Inst, dst x86asm.Reg) (uint64, bool) {
	if !wide(dst) {
		return 0, false
	}
	keep := func(v uint64, ok bool) (uint64, bool) {
		if dst <= x86asm.R15L {
			v &= 1<<32 - 1
		}
		return v, ok
	}
	src, srcReg := d.Args[1].(x86asm.Reg)
	switch d.Op {
	case x86asm.MOV:
		if v, ok := d.Args[1].(x86asm.Imm); ok {
			return keep(uint64(v), true)
		}
		if v, ok := c[full(src)]; srcReg && wide(src) && ok {
			return keep(v, true)
		}
	case x86asm.XOR, x86asm.SUB:
		return 0, srcReg && src == dst
	case x86asm.LEA:
		m, ok := d.Args[1].(x86asm.Mem)
		if v, known := c[m.Base]; ok && known && m.Index == 0 && m.Segment == 0 {
			return keep(v+uint64(int64(int32(m.Disp))), true) // x86asm doesn't extend its sign
		}
	}
	return 0, false
}
