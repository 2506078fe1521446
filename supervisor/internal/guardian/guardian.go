// Package guardian is the small process that stands between the supervisor and
// the program: its code, built from guardian.c, how it is forked, and the messages
// that it exchanges with the supervisor.
//
// The guardian is the parent of the program's first process and the subreaper
// of all that the program orphans. It lives as long as any of them, and kills
// them when its supervisor is gone (prctl(2) PR_SET_CHILD_SUBREAPER,
// pidfd_open(2)).
package guardian

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

//go:generate ../blob.sh src/guardian.c "The guardian, which is no Go: it has a stack of its own, and never returns."

// A Type says what a Message tells.
type Type uint32

// The types of messages, state.h's enum.
const (
	Started    Type = iota + 1 // the listener comes with it; Detail 1: without WAIT_KILLABLE_RECV
	Failed                     // nothing runs; Status is the errno, Detail the Step
	ExecFailed                 // the program could not be executed; Status is the errno, Detail the Step or 0
	Exit                       // Status is the wait status of the program's first process; Detail 1: others are left
	Stop
	Continue
	Signal // a signal reached the process group: Status is its number, Detail its si_code, PID its sender
)

// A Step is what the guardian was doing when it failed.
type Step uint32

// The steps before anything of the program's runs.
const (
	StepDir   Step = 5 // chdir(2) to Launch.Dir
	StepFiles Step = 6 // Launch.Calls
)

func (s Step) String() string {
	names := [...]string{"executing the program", "setting no_new_privs", "installing the seccomp filter",
		"installing the deny filter", "forking", "changing the directory", "placing descriptors"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("step %d", uint32(s))
}

// A Message is what the guardian sends, one packet each. Where no process is left
// it ends, and the connection with it.
type Message struct {
	Type   Type
	PID    int32
	Status int32
	Detail uint32
	Rusage unix.Rusage // with Exit
}

// MessageSize is the length of a packet in bytes.
const MessageSize = int(unsafe.Sizeof(Message{}))

// Decode reads one packet.
func Decode(b []byte) (Message, error) {
	var m Message
	if len(b) != MessageSize {
		return m, fmt.Errorf("guardian: packet of %d bytes, want %d", len(b), MessageSize)
	}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&m)), MessageSize), b)
	return m, nil
}

// CommandAdopt gives the guardian another supervisor to watch; a pidfd of that
// comes with it.
var CommandAdopt = []byte{2, 0, 0, 0}

// CommandWake makes the guardian continue its parent, by SIGCONT, once the program
// runs again, until CommandAwake ends that. If a descriptor comes with it, it does so too
// when there is something to read from or to write to that: the listener's is a notification
// to be received or answered.
var (
	CommandWake  = []byte{3, 0, 0, 0}
	CommandAwake = []byte{4, 0, 0, 0}
)

// CommandContinue hands a SIGCONT that the supervisor got on to the program, unless the whole
// group got it; CommandStop does so for SIGTSTP.
var (
	CommandContinue = []byte{5, 0, 0, 0}
	CommandStop     = []byte{6, 0, 0, 0}
)

// CommandKill makes the guardian kill the whole tree and exit.
var CommandKill = []byte{1, 0, 0, 0}

// Name is what the guardian's process is called.
const Name = "reflect-guard"

// ReseedSignal with ReseedValue, sent by sigqueue(3), makes the guardian bump the
// generation (generation.h).
const (
	ReseedSignal = unix.Signal(64)
	ReseedValue  = 0x5eed
)
