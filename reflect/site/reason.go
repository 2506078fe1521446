package site

import "fmt"

// A Reason says why a site is not patched.
type Reason uint8

const (
	_             Reason = iota
	NotSyscall           // there is no `syscall` instruction
	NotCode              // not in the file's executable, read-only code
	Writable             // in memory that the program may write
	UnknownStart         // no table tells where the function begins
	TooLong              // the function is longer than is decoded
	NotReached           // decoding from the function's start does not come by
	NeverCall            // a call whose return is not like others'
	CancelWindow         // a C library compares program counters with this code's
	GoVfork              // Go's raw vfork: parent and child return on one stack
	SignalReturn         // unwinders look for these very bytes
	NoPredecessor        // reached by jumps only: nothing stands before it to replace
	Immovable            // what stands before it can't be executed elsewhere
	MayFault             // what stands before it may fault, and the program may recover by address
	BranchInside         // a branch leads into the middle of the instruction before it
	NoShape              // no jump fits
)

var reasonNames = [...]string{
	NotSyscall: "no syscall instruction", NotCode: "not code", Writable: "writable", UnknownStart: "function not known",
	TooLong: "function too long", NotReached: "not reached by decoding", NeverCall: "call is never patched",
	CancelWindow: "cancellation window", GoVfork: "Go's vfork", SignalReturn: "signal return",
	NoPredecessor: "reached by jumps only", Immovable: "instruction before it can't be moved",
	MayFault: "instruction before it may fault", BranchInside: "branch into the instruction before it",
	NoShape: "no jump fits",
}

func (r Reason) String() string {
	if int(r) < len(reasonNames) && reasonNames[r] != "" {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason %d", r)
}

// A Refusal is the error for a site that is not patched.
type Refusal struct {
	Site   uint64 // as linked
	Reason Reason
	Detail string // the instruction, call or table in question; may be empty
}

func (r *Refusal) Error() string { return fmt.Sprintf("site %#x: %s", r.Site, r.Why()) }

// Why is the error without the site.
func (r *Refusal) Why() string {
	if r.Detail != "" {
		return fmt.Sprintf("%v: %s", r.Reason, r.Detail)
	}
	return r.Reason.String()
}

// Is makes errors.Is(err, &Refusal{Reason: r}) ask for the reason alone.
func (r *Refusal) Is(target error) bool {
	t, ok := target.(*Refusal)
	return ok && t.Reason == r.Reason && (t.Site == 0 || t.Site == r.Site)
}
