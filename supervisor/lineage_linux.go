package supervisor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/reflect"
)

// A procStat is what is needed of /proc/PID/stat (proc(5)).
type procStat struct {
	state  byte // of the thread, or of the first one: R where it runs or waits for a processor
	parent int
	start  uint64 // after boot, in clock ticks
	stack  uint64 // the initial stack pointer; 0 or 1 where we may not know
}

var errStat = errors.New("malformed stat file")

func readStat(pid int) (st procStat, err error) {
	b, err := readProc(pid, "stat", make([]byte, 1024))
	if err != nil {
		return st, err
	}
	// The command, field 2, may hold anything, but nothing behind it does.
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return st, errStat
	}
	field := 2
	for f := range bytes.FieldsSeq(b[i+1:]) {
		field++
		n, _ := strconv.ParseUint(string(f), 10, 64)
		switch field {
		case 3:
			st.state = f[0]
		case 4:
			st.parent = int(n)
		case 22:
			st.start = n
		case 28:
			st.stack = n
			return st, nil
		}
	}
	return st, errStat
}

// inProcess reports whether a thread belongs to a process. Signal 0 is not sent.
func inProcess(pid, tid int) bool { return unix.Tgkill(pid, tid, 0) != unix.ESRCH }

// Keys of the auxiliary vector, linux/auxvec.h.
const (
	auxNull   = 0  // AT_NULL
	auxRandom = 25 // AT_RANDOM
	auxExecFn = 31 // AT_EXECFN
)

// A startStack is where an image's initial stack has what, Linux's
// create_elf_tables.
type startStack struct {
	args, argsEnd uint64 // the arguments' bytes, each argument with its NUL
	file          uint64 // AT_EXECFN: the path as it was executed
	random        uint64 // AT_RANDOM: 16 bytes
	null          uint64 // the value of AT_NULL, which means nothing to anybody
}

const maxStack = 16 << 20 // more than execve(2) takes, in bytes

var errStack = errors.New("malformed initial stack")

// A wordReader reads a process's memory word by word, a page at a time.
type wordReader struct {
	mem  reflect.Memory
	at   uint64 // of the next word
	size uint64 // of a word in bytes
	buf  []byte // what was read already
	left uint64 // how much may be read
	page [reflect.PageSize]byte
}

func (r *wordReader) next() (uint64, error) {
	if uint64(len(r.buf)) < r.size {
		n := reflect.PageSize - r.at%reflect.PageSize
		if r.left < n {
			return 0, errStack
		}
		r.left -= n
		if _, err := r.mem.Read(r.at, r.page[:n]); err != nil {
			return 0, err
		}
		r.buf = r.page[:n]
	}
	var w [8]byte
	copy(w[:], r.buf[:r.size])
	r.buf, r.at = r.buf[r.size:], r.at+r.size
	return binary.LittleEndian.Uint64(w[:]), nil
}

// readStack reads an initial stack: argc, argv, envp and the auxiliary vector. A
// word has 8 bytes, or 4 in 32-bit programs.
func readStack(mem reflect.Memory, sp, word uint64) (s startStack, err error) {
	if sp%word != 0 {
		return s, errStack
	}
	r := wordReader{mem: mem, at: sp, size: word, left: maxStack}
	argc, err := r.next()
	if err != nil {
		return s, err
	}
	for i := uint64(0); ; i++ {
		p, err := r.next()
		if err != nil {
			return s, err
		}
		if i == 0 {
			s.args = p
		}
		if i == argc {
			if p != 0 {
				return s, errStack
			}
			break
		}
	}
	for i := 0; ; i++ {
		p, err := r.next()
		if err != nil {
			return s, err
		}
		if i == 0 {
			s.argsEnd = p // the environment lies behind the arguments
		}
		if p == 0 {
			break
		}
	}
	for {
		key, err := r.next()
		if err != nil {
			return s, err
		}
		s.null = r.at
		value, err := r.next()
		if err != nil {
			return s, err
		}
		switch key {
		case auxNull:
			if s.argsEnd == 0 {
				s.argsEnd = s.file // and the path behind both
			}
			return s, nil
		case auxExecFn:
			s.file = value
		case auxRandom:
			s.random = value
		}
	}
}

// command reads the path that was executed, and the arguments.
func (s *startStack) command(mem reflect.Memory) (file, args []byte, err error) {
	if s.args != 0 {
		if s.argsEnd < s.args || s.argsEnd-s.args > maxStack {
			return nil, nil, errStack
		}
		args = make([]byte, s.argsEnd-s.args)
		if _, err := mem.Read(s.args, args); err != nil {
			return nil, nil, err
		}
	}
	for at := s.file; len(file) < unix.PathMax; {
		b := make([]byte, reflect.PageSize-at%reflect.PageSize)
		if _, err := mem.Read(at, b); err != nil {
			return nil, nil, err
		}
		if i := bytes.IndexByte(b, 0); i >= 0 {
			return append(file, b[:i]...), args, nil
		}
		file, at = append(file, b...), at+uint64(len(b))
	}
	return nil, nil, errStack
}

// readLabel reads the label that a process has from the program that it was forked
// in, 0 if none.
func readLabel(pid int, sp uint64) uint64 {
	if sp <= 1 {
		return 0
	}
	mem := reflect.ProcessMemory(pid)
	s, err := readStack(mem, sp, 8)
	if err != nil {
		return 0
	}
	var b [8]byte
	if _, err := mem.Read(s.null, b[:]); err != nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b[:])
}
