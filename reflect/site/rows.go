package site

import (
	"fmt"
	"maps"
)

// A row says how the caller's frame is found from an address: what the
// instructions of an unwind table (DW_CFA_*) come to there.
type row struct {
	register uint64 // CFA = register + offset
	offset   uint64
	rules    map[uint64]string // of other registers
}

func (r row) equal(o row) bool {
	return r.register == o.register && r.offset == o.offset && maps.Equal(r.rules, o.rules)
}

func (r row) clone() row { return row{r.register, r.offset, maps.Clone(r.rules)} }

// sameCaller tells whether a thread is unwound at both addresses alike, or at
// the second one not at all: an unwinder stops where it finds no table, but
// where it finds a wrong row it follows a wild pointer.
func (t *frames) sameCaller(addr, other uint64) bool {
	d, ok := t.covering(other)
	if !ok {
		return true
	}
	e, ok := t.covering(addr)
	if !ok {
		return false
	}
	r, ok := d.row(other)
	q, ok2 := e.row(addr)
	return ok && ok2 && r.equal(q)
}

// row interprets a table up to an address. Not ok: it is malformed, or computes
// the frame's address, which rows can't be compared by.
func (d *frame) row(addr uint64) (row, bool) {
	w := rowWalk{row: row{rules: map[uint64]string{}}, factor: d.codeFactor, at: d.start, until: addr}
	if !w.walk(d.initial) {
		return row{}, false
	}
	w.initial = w.row.clone()
	ok := w.walk(d.program)
	return w.row, ok
}

type rowWalk struct {
	row       row
	initial   row
	saved     []row
	factor    uint64
	at, until uint64
}

// Instructions, by what follows the opcode.
const (
	cfaAdvance = 0x40 // in the upper two bits, with the operand in the others
	cfaOffset  = 0x80
	cfaRestore = 0xc0
)

// walk goes on until the table has been read or its row is for addresses
// behind the one asked for.
func (w *rowWalk) walk(program []byte) bool {
	r := &reader{b: program}
	for len(r.b) > 0 && !r.bad {
		op := r.uint8()
		low := uint64(op & 0x3f)
		switch op & 0xc0 {
		case cfaAdvance:
			w.at += low * w.factor
		case cfaOffset:
			w.row.rules[low] = fmt.Sprint("offset ", r.leb())
		case cfaRestore:
			w.restore(low)
		default:
			if !w.extended(op, r) {
				return false
			}
		}
		if w.at > w.until {
			return !r.bad
		}
	}
	return !r.bad
}

func (w *rowWalk) restore(register uint64) {
	if rule, ok := w.initial.rules[register]; ok {
		w.row.rules[register] = rule
	} else {
		delete(w.row.rules, register)
	}
}

func (w *rowWalk) extended(op byte, r *reader) bool {
	switch op {
	case 0x00, 0x2e: // nop, GNU_args_size
		if op != 0 {
			r.leb()
		}
	case 0x02, 0x03, 0x04: // advance_loc1, 2, 4
		size := uint64(1) << (op - 2)
		for i, b := range r.skip(size)[:size] {
			w.at += uint64(b) << (8 * i) * w.factor
		}
	case 0x06: // restore_extended
		w.restore(r.leb())
	case 0x07, 0x08: // undefined, same_value
		w.row.rules[r.leb()] = fmt.Sprint(op)
	case 0x05, 0x09, 0x11, 0x14, 0x15: // offset_extended, register, offset_extended_sf, val_offset, val_offset_sf
		register := r.leb()
		rule := fmt.Sprint(op, " ", r.leb())
		if op == 0x05 {
			rule = "offset" + rule[1:]
		}
		w.row.rules[register] = rule
	case 0x0a: // remember_state
		if len(w.saved) > 16 {
			return false
		}
		w.saved = append(w.saved, w.row.clone())
	case 0x0b: // restore_state
		if len(w.saved) == 0 {
			return false
		}
		w.row, w.saved = w.saved[len(w.saved)-1], w.saved[:len(w.saved)-1]
	case 0x0c: // def_cfa
		w.row.register = r.leb()
		w.row.offset = r.leb()
	case 0x0d: // def_cfa_register
		w.row.register = r.leb()
	case 0x0e: // def_cfa_offset
		w.row.offset = r.leb()
	case 0x10, 0x16: // expression, val_expression: of the saved registers, relative to the frame
		register := r.leb()
		n := r.leb()
		w.row.rules[register] = fmt.Sprintf("%d %x", op, r.skip(n))
	default: // set_loc, def_cfa_expression and its signed forms
		return false
	}
	return true
}
