// Package guardian is the small process that stands between the supervisor and
// the program: a freestanding ELF built from guardian.c, and the messages that
// it exchanges with the supervisor.
//
// The guardian is the parent of the program's first process and the subreaper
// of all that the program orphans. It lives as long as any of them, and kills
// them when its supervisor is gone (prctl(2) PR_SET_CHILD_SUBREAPER,
// pidfd_open(2)).
package guardian

import (
	_ "embed"
	"encoding/binary"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

//go:generate ./build.sh

// ELF is the guardian's executable.
//
//go:embed guardian.elf
var ELF []byte

// A Type says what a Message tells.
type Type uint32

// The types of messages, guardian.c's enum.
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

func (s Step) String() string {
	names := [...]string{"executing the program", "setting no_new_privs", "installing the seccomp filter",
		"installing the deny filter", "forking", "reading the launch block"}
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

// CommandRun makes the guardian start the program; the descriptors of the launch
// block and of the memory file with the control page come with it. The guardian
// has mapped that page once it says Started or Failed.
var CommandRun = []byte{2, 0, 0, 0}

// CommandAdopt gives the guardian another supervisor to watch; a pidfd of that
// comes with it.
var CommandAdopt = []byte{3, 0, 0, 0}

// CommandWake makes the guardian continue its parent, by SIGCONT, once the program
// runs again, until CommandAwake ends that.
var (
	CommandWake  = []byte{4, 0, 0, 0}
	CommandAwake = []byte{5, 0, 0, 0}
)

// CommandKill makes the guardian kill the whole tree and exit.
var CommandKill = []byte{1, 0, 0, 0}

// Name is what the guardian's process and its executable, a memory file, are called.
const Name = "reflect-guard"

// ReseedSignal with ReseedValue, sent by sigqueue(3), makes the guardian bump the
// generation (generation.h).
const (
	ReseedSignal = unix.Signal(64)
	ReseedValue  = 0x5eed
)

const (
	launchAddr   = 0x70000000
	launchMagic  = 0x31686372756e616c
	launchHeader = 15 * 8
)

// A Launch is what the guardian starts.
type Launch struct {
	Path           string
	Args, Env      []string
	Main, Deny     []bpf.RawInstruction
	KeepPrivileges bool   // leave NO_NEW_PRIVS out
	Ignored        uint64 // signals to ignore, bit n-1 for signal n
	Blocked        uint64 // signals to block, likewise, if Mask is set; else as the guardian was started
	Mask           bool
	Control        uint64        // the control page's offset in the memory file
	Tick           time.Duration // between two generations; 0 for no such bumps
}

// Block lays l out as guardian.c's struct launch, with the pointers that hold
// where the guardian maps it.
func (l *Launch) Block() ([]byte, error) {
	b := make([]byte, launchHeader, 16384)
	str := func(s string) (uint64, error) {
		for i := range len(s) {
			if s[i] == 0 {
				return 0, unix.EINVAL // as syscall.ByteSliceFromString
			}
		}
		at := uint64(launchAddr + len(b))
		b = append(append(b, s...), 0)
		return at, nil
	}
	list := func(ss []string) (uint64, error) {
		ptrs := make([]uint64, len(ss)+1)
		for i, s := range ss {
			p, err := str(s)
			if err != nil {
				return 0, err
			}
			ptrs[i] = p
		}
		for len(b)%8 != 0 {
			b = append(b, 0)
		}
		at := uint64(launchAddr + len(b))
		for _, p := range ptrs {
			b = binary.LittleEndian.AppendUint64(b, p)
		}
		return at, nil
	}
	prog := func(p []bpf.RawInstruction) uint64 {
		for len(b)%8 != 0 {
			b = append(b, 0)
		}
		at := uint64(launchAddr + len(b))
		for _, i := range p { // struct sock_filter, linux/filter.h
			b = binary.LittleEndian.AppendUint16(b, i.Op)
			b = append(b, i.Jt, i.Jf)
			b = binary.LittleEndian.AppendUint32(b, i.K)
		}
		return at
	}
	path, err := str(l.Path)
	if err != nil {
		return nil, err
	}
	argv, err := list(l.Args)
	if err != nil {
		return nil, err
	}
	envp, err := list(l.Env)
	if err != nil {
		return nil, err
	}
	main, deny := prog(l.Main), prog(l.Deny)
	flag := func(b bool) uint64 {
		if b {
			return 1
		}
		return 0
	}
	for i, v := range []uint64{launchMagic, uint64(len(b)), path, argv, envp,
		main, uint64(len(l.Main)), deny, uint64(len(l.Deny)), flag(l.KeepPrivileges), l.Ignored, l.Blocked, flag(l.Mask),
		l.Control, uint64(l.Tick.Milliseconds())} {
		binary.LittleEndian.PutUint64(b[8*i:], v)
	}
	return b, nil
}
