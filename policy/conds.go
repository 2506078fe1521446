package policy

import "math"

// A bound is what conditions on one argument leave of its values: a range,
// and bits that are fixed.
type bound struct {
	min, max    uint64
	mask, value uint64 // value of the bits in mask
}

// checkConds refuses conditions that are malformed or can't all hold.
func checkConds(conds []Cond) *Error {
	if len(conds) > 16 {
		return failf("more than 16 conditions in one rule")
	}
	for _, c := range conds {
		if c.Arg < 0 || c.Arg > 5 {
			return failf("a system call has the arguments arg0 to arg5, not arg%d", c.Arg)
		}
		if c.Op > MaskEqual {
			return failf("unknown comparison %d", c.Op).wrap(ErrUnknown)
		}
		if c.Op == MaskEqual && c.Mask == 0 {
			return failf("%v tests no bit", c).hint("a mask has at least one bit")
		}
		if c.Op == MaskEqual && c.Value&^c.Mask != 0 {
			return failf("%v never holds: the value has bits that the mask lacks", c)
		}
	}
	for arg := range 6 {
		b := bound{max: math.MaxUint64}
		var not []uint64
		var last Cond
		for _, c := range conds {
			if c.Arg != arg {
				continue
			}
			if c.Op == NotEqual {
				not = append(not, c.Value)
				continue
			}
			ok := b.narrow(c)
			if !ok {
				return never(conds, c)
			}
			last = c
		}
		if b.min == b.max {
			if b.min&b.mask != b.value {
				return never(conds, last)
			}
			for _, v := range not {
				if v == b.min {
					return never(conds, Cond{Arg: arg, Op: NotEqual, Value: v})
				}
			}
		}
	}
	return nil
}

func never(conds []Cond, c Cond) *Error {
	if len(conds) == 1 {
		return failf("%v never holds", c)
	}
	return failf("the conditions never hold together: %v contradicts the others", c).
		hint("all conditions of a rule must hold; alternatives are rules of their own")
}

// narrow takes c into account and reports whether a value may be left.
func (b *bound) narrow(c Cond) bool {
	switch c.Op {
	case Equal:
		b.min, b.max = max(b.min, c.Value), min(b.max, c.Value)
	case Less:
		if c.Value == 0 {
			return false
		}
		b.max = min(b.max, c.Value-1)
	case LessEqual:
		b.max = min(b.max, c.Value)
	case Greater:
		if c.Value == math.MaxUint64 {
			return false
		}
		b.min = max(b.min, c.Value+1)
	case GreaterEqual:
		b.min = max(b.min, c.Value)
	case MaskEqual:
		if both := b.mask & c.Mask; b.value&both != c.Value&both {
			return false
		}
		b.mask |= c.Mask
		b.value |= c.Value
	}
	return b.min <= b.max
}

// implies reports whether all of wider hold wherever all of narrower hold. It
// may miss such a pair, and never claims one that is not.
func implies(narrower, wider []Cond) bool {
next:
	for _, w := range wider {
		for _, n := range narrower {
			if impliesOne(n, w) {
				continue next
			}
		}
		return false
	}
	return true
}

func impliesOne(n, w Cond) bool {
	if n.Arg != w.Arg {
		return false
	}
	if n.Op == Equal {
		var args [6]uint64
		args[n.Arg] = n.Value
		return w.Holds(&args)
	}
	switch w.Op {
	case MaskEqual:
		return n.Op == MaskEqual && n.Mask&w.Mask == w.Mask && n.Value&w.Mask == w.Value
	case NotEqual:
		if n.Op == MaskEqual {
			return w.Value&n.Mask != n.Value
		}
		return n.Op == NotEqual && n.Value == w.Value || outside(n, w.Value)
	case Less, LessEqual, Greater, GreaterEqual:
		nb, wb := bound{max: math.MaxUint64}, bound{max: math.MaxUint64}
		if n.Op == MaskEqual || n.Op == NotEqual || !nb.narrow(n) || !wb.narrow(w) {
			return false
		}
		return nb.min >= wb.min && nb.max <= wb.max
	}
	return false
}

// outside reports whether the range of n leaves v out.
func outside(n Cond, v uint64) bool {
	if n.Op == MaskEqual || n.Op == NotEqual {
		return false
	}
	b := bound{max: math.MaxUint64}
	return b.narrow(n) && (v < b.min || v > b.max)
}
