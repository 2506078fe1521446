package guardian

import (
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A Launch is what the guardian starts.
type Launch struct {
	Path           string
	Args, Env      []string
	Dir            string // where the program starts, "" for here
	Main, Deny     []bpf.RawInstruction
	KeepPrivileges bool   // leave NO_NEW_PRIVS out
	Ignored        uint64 // signals to ignore, bit n-1 for signal n
	Blocked        uint64 // signals to block, likewise, if Mask is set; else as in the thread that forks
	Mask           bool
	Limit          *unix.Rlimit  // RLIMIT_NOFILE for the program; nil for what this process has
	Calls          []Call        // that put the program's descriptors in place
	Connection     int           // the guardian's end: SOCK_SEQPACKET
	Region         int           // the memory file with the control page,
	Control        uintptr       // and where that page is mapped, shared
	Tick           time.Duration // between two generations; 0 for no such bumps
	Trapped        bool          // Main answers futex(2) by SIGSYS
}

// A Call is a system call of the guardian's.
type Call struct {
	Nr   uintptr
	Args [5]uintptr
}

const (
	launchWords = 23 // struct launch
	callSize    = 6 * 8
)

// size is how many bytes the block may take.
func (l *Launch) size() int {
	n := 8*launchWords + len(l.Path) + len(l.Dir) + 2 + callSize*len(l.Calls) + 8*(len(l.Main)+len(l.Deny))
	for _, list := range [][]string{l.Args, l.Env} {
		n += 8 * (len(list) + 2)
		for _, s := range list {
			n += len(s) + 1
		}
	}
	return n + 8*8 // what is skipped, so that numbers are aligned
}

// block is a launch block in the making, at the address where the guardian reads
// it.
type block struct {
	b   []byte
	at  uintptr
	nul bool // a text holds a NUL byte
}

func (w *block) here() uint64 { return uint64(w.at) + uint64(len(w.b)) }

func (w *block) align() uint64 {
	for len(w.b)%8 != 0 {
		w.b = append(w.b, 0)
	}
	return w.here()
}

func (w *block) word(v uint64) { w.b = binary.LittleEndian.AppendUint64(w.b, v) }

func (w *block) text(s string) uint64 {
	for i := range len(s) {
		if s[i] == 0 {
			w.nul = true
		}
	}
	at := w.here()
	w.b = append(append(w.b, s...), 0)
	return at
}

// list writes strings and then the pointers to them.
func (w *block) list(ss []string) uint64 {
	first := w.here()
	for _, s := range ss {
		w.text(s)
	}
	at := w.align()
	for _, s := range ss {
		w.word(first)
		first += uint64(len(s)) + 1
	}
	w.word(0)
	return at
}

func (w *block) program(p []bpf.RawInstruction) uint64 {
	at := w.align()
	for _, i := range p { // struct sock_filter, linux/filter.h
		w.b = binary.LittleEndian.AppendUint16(w.b, i.Op)
		w.b = append(w.b, i.Jt, i.Jf)
		w.b = binary.LittleEndian.AppendUint32(w.b, i.K)
	}
	return at
}

func (w *block) calls(calls []Call) uint64 {
	at := w.align()
	for _, c := range calls {
		w.word(uint64(c.Nr))
		for _, a := range c.Args {
			w.word(uint64(a))
		}
	}
	return at
}

// write lays l out in b as state.h's struct launch, with all that it points to
// behind it; at is b's address.
func (l *Launch) write(b []byte, at uintptr) error {
	w := &block{b: b[:8*launchWords], at: at}
	dir := uint64(0)
	if l.Dir != "" {
		dir = w.text(l.Dir)
	}
	limit := unix.Rlimit{}
	if l.Limit != nil {
		limit = *l.Limit
	}
	words := [launchWords]uint64{
		w.text(l.Path), w.list(l.Args), w.list(l.Env),
		w.program(l.Main), uint64(len(l.Main)), w.program(l.Deny), uint64(len(l.Deny)),
		flag(l.KeepPrivileges), l.Ignored, l.Blocked, flag(l.Mask),
		uint64(l.Control), uint64(l.Tick.Milliseconds()), uint64(unix.Getpid()), uint64(l.Connection), uint64(l.Region),
		limit.Cur, limit.Max, flag(l.Limit != nil),
		dir, w.calls(l.Calls), uint64(len(l.Calls)), flag(l.Trapped),
	}
	for i, v := range words {
		binary.LittleEndian.PutUint64(b[8*i:], v)
	}
	if w.nul { // as syscall.ByteSliceFromString
		return fmt.Errorf("the path, the arguments or the environment hold a NUL byte: %w", unix.EINVAL)
	}
	return nil
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
