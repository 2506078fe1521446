package vdsoshim

import "fmt"

// Sigsys says what the image's handler of SIGSYS does with the calls that reach it,
// see shim/sigsys.c.
type Sigsys struct {
	// Dispatch arms Syscall User Dispatch too, so that every call reaches the
	// handler.
	Dispatch bool
	// Rules are the policy's, in its order: the filter tells which one a call met.
	Rules []TrapRule
	// Others are the numbers whose calls the filter has more to say about: under
	// dispatch they are made where it sees them.
	Others []int
}

// A TrapRule is what becomes of calls that meet a rule. Answer.Kind is 0 where the
// handler does not serve it.
type TrapRule struct {
	Nr     int
	Alone  bool // it is the only rule of its number, and has no conditions
	Answer Answer
}

// writeTraps fills the handler's table.
func (c *completion) writeTraps() error {
	s := c.o.Sigsys
	if s == nil {
		return nil
	}
	flags := uint32(sigsysTrap)
	if s.Dispatch {
		flags |= sigsysSud
	}
	if c.o.Count {
		flags |= sigsysCount
	}
	le.PutUint32(c.image[planOff+planSigsys:], flags)
	if len(s.Rules) > MaxTraps {
		return fmt.Errorf("%d rules, and the signal handler knows %d: %w", len(s.Rules), MaxTraps, ErrRoom)
	}
	byNumber := c.image[trapsOff:]
	byRule := c.image[trapsOff+2*DispatchCalls:]
	rows := c.image[trapsOff+2*DispatchCalls+trapRules:]
	known := map[Answer]int{{Kind: AnswerKernel}: 0, {}: 0}
	for i, r := range s.Rules {
		if r.Answer.Kind == 0 {
			continue
		}
		row, ok := known[r.Answer]
		if !ok {
			row = len(known) - 1
			if row == trapRows {
				return fmt.Errorf("more than %d different answers to trapped calls: %w", trapRows, ErrRoom)
			}
			known[r.Answer] = row
			kind := uint32(trapConstant)
			switch r.Answer.Kind {
			case AnswerGenerator:
				kind = uint32(reflectedGetrandom.off)
			case AnswerAtOnce:
				kind = trapCall
			}
			le.PutUint64(rows[trapRowSize*row:], uint64(r.Answer.Value))
			le.PutUint32(rows[trapRowSize*row+8:], kind)
		}
		byRule[i+1] = byte(row)
		if r.Alone && r.Nr >= 0 && r.Nr < DispatchCalls {
			le.PutUint16(byNumber[2*r.Nr:], uint16(i+1))
		}
	}
	for _, nr := range s.Others {
		if nr >= 0 && nr < DispatchCalls {
			le.PutUint16(byNumber[2*nr:], trapOthers)
		}
	}
	return nil
}
