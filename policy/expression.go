package policy

import (
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// An expression is one condition as a policy writes it:
//
//	condition = argument [ "&" value ] comparison value
//	argument  = "arg0" … "arg5" | "int(arg0)" … "int(arg5)"
//	comparison = "==" | "!=" | "<" | "<=" | ">" | ">="
//	value     = term { "|" term }
//	term      = decimal or 0x… number | name such as O_CREAT
type expression struct {
	text string
	off  int // of the next byte
}

// expressionForms is the hint wherever an expression can't be read.
const expressionForms = "for example: arg0 == 3, arg1 < 4096, arg2 & O_CREAT == 0, int(arg0) == AF_UNIX"

// An exprError is an error and its place in the expression, in bytes.
type exprError struct {
	*Error
	off int
}

func (x *expression) fail(off int, format string, args ...any) *exprError {
	return &exprError{failf(format, args...), off}
}

func (e *exprError) hintf(format string, args ...any) *exprError {
	_ = e.hint(format, args...)
	return e
}

// ParseCond reads one condition, such as "arg2 & O_CREAT == O_CREAT".
func ParseCond(text string) (Cond, error) {
	c, e := parseCond(text)
	if e != nil {
		return Cond{}, e.Error
	}
	return c, nil
}

func parseCond(text string) (Cond, *exprError) {
	x := &expression{text: text}
	c, low, e := x.argument()
	if e != nil {
		return Cond{}, e
	}
	masked := false
	maskOff := 0
	if x.skip("&&") {
		return Cond{}, x.fail(x.off-2, "conditions can't be joined by &&").hintf("write a list, all of it must hold: [arg0 == 1, arg1 == 2]")
	}
	if x.skip("&") {
		masked = true
		maskOff = x.off
		if c.Mask, _, e = x.value(); e != nil {
			return Cond{}, e
		}
	}
	x.space()
	opOff := x.off
	op, e := x.comparison(c, masked)
	if e != nil {
		return Cond{}, e
	}
	x.space()
	valueOff := x.off
	value, negative, e := x.value()
	if e != nil {
		return Cond{}, e
	}
	if e := x.end(); e != nil {
		return Cond{}, e
	}
	c.Op, c.Value = op, value
	if negative && !low {
		return Cond{}, x.fail(valueOff, "an argument is compared as 64 bits without a sign").
			hintf("for an argument of C's type int write int(arg%d) %s …; for 64 bits write %#x", c.Arg, opWords[op], value)
	}
	switch {
	case masked:
		if low {
			c.Mask &= 0xffffffff
			c.Value &= 0xffffffff
		}
		return maskedCond(c, op, x, maskOff, opOff)
	case low:
		if !negative && value > 0xffffffff {
			return Cond{}, x.fail(valueOff, "%#x does not fit into 32 bits", value)
		}
		c.Mask, c.Value = 0xffffffff, value&0xffffffff
		return maskedCond(c, op, x, maskOff, opOff)
	}
	return c, nil
}

// maskedCond turns a masked comparison into the one that a filter has.
func maskedCond(c Cond, op Op, x *expression, maskOff, opOff int) (Cond, *exprError) {
	c.Op = MaskEqual
	if c.Mask == 0 {
		return Cond{}, x.fail(maskOff, "a mask of 0 tests no bit").hintf("%s", expressionForms)
	}
	if c.Value&^c.Mask != 0 {
		return Cond{}, x.fail(opOff, "this never holds: %#x has bits that the mask %#x lacks", c.Value, c.Mask)
	}
	switch {
	case op == Equal:
		return c, nil
	case op == NotEqual && bits.OnesCount64(c.Mask) == 1:
		c.Value ^= c.Mask
		return c, nil
	}
	return Cond{}, x.fail(opOff, "masked and int() values can only be compared by ==").
		hintf("turn it round: a rule that allows what is equal first, then a rule without that condition")
}

func (x *expression) argument() (c Cond, low bool, e *exprError) {
	x.space()
	start := x.off
	word := x.word()
	if word == "int" && x.skip("(") {
		low = true
		x.space()
		start = x.off
		word = x.word()
	}
	if len(word) == 4 && strings.HasPrefix(word, "arg") && word[3] >= '0' && word[3] <= '5' {
		c.Arg = int(word[3] - '0')
		if low && !x.skip(")") {
			return c, low, x.fail(x.off, "expected )").hintf("%s", expressionForms)
		}
		return c, low, nil
	}
	if word == "" {
		return c, low, x.fail(start, "expected an argument, arg0 to arg5, not %s", x.here()).hintf("%s", expressionForms)
	}
	return c, low, x.fail(start, "expected an argument, arg0 to arg5, not %q", word).hintf("%s", expressionForms)
}

func (x *expression) comparison(c Cond, masked bool) (Op, *exprError) {
	start := x.off
	for _, o := range [...]Op{Equal, NotEqual, LessEqual, GreaterEqual, Less, Greater} {
		if x.skip(opWords[o]) {
			return o, nil
		}
	}
	if x.off == len(x.text) {
		if masked {
			return 0, x.fail(start, "a mask needs a comparison").
				hintf("arg%d & %#x == %#x holds where the bits are set, == 0 where they are not", c.Arg, c.Mask, c.Mask)
		}
		return 0, x.fail(start, "expected a comparison: ==, !=, <, <=, >, >=").hintf("%s", expressionForms)
	}
	e := x.fail(start, "expected a comparison (==, !=, <, <=, >, >=), not %s", x.here())
	if x.text[x.off] == '=' {
		return 0, e.hintf("equality is ==")
	}
	return 0, e.hintf("%s", expressionForms)
}

// value reads terms joined by |, and reports whether it was negative.
func (x *expression) value() (v uint64, negative bool, e *exprError) {
	for n := 0; ; n++ {
		x.space()
		start := x.off
		t, neg, e := x.term()
		if e != nil {
			return 0, false, e
		}
		if (neg || negative) && n > 0 {
			return 0, false, x.fail(start, "a negative number can't be part of a sum of bits")
		}
		v |= t
		negative = negative || neg
		x.space()
		if strings.HasPrefix(x.text[x.off:], "||") {
			return 0, false, x.fail(x.off, "conditions can't be joined by ||").hintf("write a second rule for the alternative")
		}
		if !x.skip("|") {
			return v, negative, nil
		}
	}
}

func (x *expression) term() (v uint64, negative bool, e *exprError) {
	start := x.off
	negative = x.skip("-")
	word := x.word()
	if word == "" {
		return 0, false, x.fail(start, "expected a number or a name such as O_CREAT, not %s", x.here()).hintf("%s", expressionForms)
	}
	if word[0] >= '0' && word[0] <= '9' {
		v, ok := parseUint(word)
		switch {
		case !ok:
			return 0, false, x.fail(start, "%q is no number of at most 64 bits", word).hintf("%s", numberHint(word))
		case negative && v > 1<<63:
			return 0, false, x.fail(start, "-%s has more than 64 bits", word)
		case negative:
			return -v, v != 0, nil
		}
		return v, false, nil
	}
	i, ok := slices.BinarySearchFunc(constants[:], word, func(c struct {
		name  string
		value uint64
	}, name string) int {
		return strings.Compare(c.name, name)
	})
	if !ok {
		e := x.fail(start, "unknown value %q", word)
		_ = e.wrap(ErrUnknown)
		names := make([]string, len(constants))
		for i := range constants {
			names[i] = constants[i].name
		}
		if near := nearest(word, names); near != "" {
			return 0, false, e.hintf("did you mean %s?", near)
		}
		return 0, false, e.hintf("a number, or a name such as O_CREAT, AF_INET, CLONE_NEWUSER, PROT_EXEC")
	}
	if negative {
		return 0, false, x.fail(start, "a name can't be negated")
	}
	v = constants[i].value
	return v, int64(v) < 0, nil
}

func (x *expression) end() *exprError {
	x.space()
	switch rest := x.text[x.off:]; {
	case rest == "":
		return nil
	case strings.HasPrefix(rest, "&&"), strings.HasPrefix(rest, "and"):
		return x.fail(x.off, "conditions can't be joined in one expression").hintf("write a list, all of it must hold: [arg0 == 1, arg1 == 2]")
	case strings.HasPrefix(rest, "or"):
		return x.fail(x.off, "conditions can't be joined by or").hintf("write a second rule for the alternative")
	case strings.HasPrefix(rest, "&"):
		return x.fail(x.off, "a mask stands before the comparison").hintf("%s", expressionForms)
	}
	return x.fail(x.off, "expected the end of the condition, not %s", x.here()).hintf("%s", expressionForms)
}

func (x *expression) space() {
	for x.off < len(x.text) && (x.text[x.off] == ' ' || x.text[x.off] == '\t') {
		x.off++
	}
}

// skip steps over s, if it comes next, and reports whether it did.
func (x *expression) skip(s string) bool {
	x.space()
	if !strings.HasPrefix(x.text[x.off:], s) {
		return false
	}
	x.off += len(s)
	return true
}

// word steps over letters, digits and underscores.
func (x *expression) word() string {
	start := x.off
	for x.off < len(x.text) {
		c := x.text[x.off]
		if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			break
		}
		x.off++
	}
	return x.text[start:x.off]
}

// here is what comes next, for a message.
func (x *expression) here() string {
	if x.off >= len(x.text) {
		return "the end"
	}
	ahead := expression{text: x.text, off: x.off}
	if word := ahead.word(); word != "" {
		return strconv.Quote(word)
	}
	r, _ := utf8.DecodeRuneInString(x.text[x.off:])
	return strconv.Quote(string(r))
}
