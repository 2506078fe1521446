package vdsoshim

import "fmt"

// Sigsys says what the image's handler of SIGSYS does with the calls that reach it,
// see shim/sigsys.c.
//
// Where [Options.Answers] say what becomes of a call at patched sites, the handler tells the
// supervisor of sites that make it again and again, by an execve of SitePath from ExitsEnd, whose other
// arguments are the address behind the site, the call's number, and how often that came. An
// address of 0 asks that calls be made at their sites again, by all records ([Withdrawn]).
type Sigsys struct {
	// Dispatch arms Syscall User Dispatch too, so that every call reaches the
	// handler.
	Dispatch bool
	// Follow has calls counted for each site that is to be patched: COUNTER numbers come
	// with the answers to what the handler tells.
	Follow bool
	// Rules are the policy's, in its order: the filter tells which one a call met.
	Rules []TrapRule
	// Numbers says more of numbers that no rule decides alone.
	Numbers map[int]Trapped
}

// Trapped says which calls of a number reach the handler.
type Trapped uint16

const (
	// TrappedSignals: all of them do, to be made by the handler.
	TrappedSignals Trapped = trapSignals
	// TrappedSome: those do that the filter traps, and it tells by which rule. Under
	// dispatch they are first made where it sees them.
	TrappedSome Trapped = trapSome
	// TrappedOthers: none does, but under dispatch: they are made where the filter
	// sees them.
	TrappedOthers Trapped = trapOthers
)

// A TrapRule is what becomes of calls that meet a rule. Answer.Kind is 0 where the
// handler does not serve it.
type TrapRule struct {
	Nr     int
	Alone  bool // it is the only rule of its number, and has no conditions
	Answer Answer
}

// most is how many numbers have to be trapped for calls that are not to be rare.
const most = 300

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
	if s.Follow {
		flags |= sigsysFollow
	}
	alone := 0
	for i := range s.Rules {
		if s.Rules[i].Alone && s.Rules[i].Answer.Kind != 0 {
			alone++
		}
	}
	if alone >= most {
		flags |= sigsysMost
	}
	le.PutUint32(c.image[planOff+planSigsys:], flags)
	if len(s.Rules) > MaxTraps {
		return fmt.Errorf("%d rules, and the signal handler knows %d: %w", len(s.Rules), MaxTraps, ErrRoom)
	}
	byNumber := c.image[trapsOff:]
	byRule := c.image[trapsOff+2*DispatchCalls:]
	rows := c.image[trapsOff+2*DispatchCalls+trapRules:]
	known := map[Answer]int{{Kind: AnswerKernel}: 0}
	for i, r := range s.Rules {
		if r.Answer.Kind == 0 {
			continue
		}
		at, ok := known[r.Answer]
		if !ok {
			at = len(known)
			if at == trapRows {
				return fmt.Errorf("more than %d different answers to trapped calls: %w", trapRows, ErrRoom)
			}
			known[r.Answer] = at
			kind := uint32(trapConstant)
			switch r.Answer.Kind {
			case AnswerKernel:
				kind = trapKernel
			case AnswerGenerator:
				kind = uint32(reflectedGetrandom.off)
			}
			le.PutUint64(rows[trapRowSize*at:], uint64(r.Answer.Value))
			le.PutUint32(rows[trapRowSize*at+8:], kind)
		}
		byRule[i+1] = byte(at)
		if r.Alone && r.Nr >= 0 && r.Nr < DispatchCalls {
			le.PutUint16(byNumber[2*r.Nr:], uint16(i+1))
		}
	}
	for nr, how := range s.Numbers {
		if nr >= 0 && nr < DispatchCalls {
			le.PutUint16(byNumber[2*nr:], uint16(how))
		}
	}
	return nil
}
