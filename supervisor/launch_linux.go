package supervisor

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/supervisor/internal/guardian"
)

// A keeper is the supervisor's end of the guardian.
type keeper struct {
	pid   int
	conn  int // SOCK_SEQPACKET, one guardian.Message a packet
	space *guardian.Space

	mu     sync.Mutex
	closed bool // conn is; mu is held by whoever uses it beside its reader

	dir string // where the program starts
}

// launch starts the guardian, which starts the program of l. files are the
// program's descriptors from 0 on; it has all others, too, that are not
// close-on-exec.
func launch(l guardian.Launch, region int, files []uintptr) (_ *keeper, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("create a socket pair: %w", err)
	}
	defer func() {
		unix.Close(pair[1])
		if err != nil {
			unix.Close(pair[0])
		}
	}()
	// What the guardian keeps may not stand where the program's descriptors go.
	var close [2]func()
	if l.Connection, close[0], err = above(pair[1], len(files)); err != nil {
		return nil, err
	}
	defer close[0]()
	if l.Region, close[1], err = above(region, len(files)); err != nil {
		return nil, err
	}
	defer close[1]()
	spare := max(l.Connection, l.Region, len(files))
	for _, fd := range files {
		spare = max(spare, int(fd))
	}
	l.Calls = place(files, spare+1)
	k := &keeper{conn: pair[0], dir: l.Dir}
	if k.space, k.pid, err = l.Fork(); err != nil {
		return nil, fmt.Errorf("start the guardian: %w", err)
	}
	return k, nil
}

// above returns fd, or another number for it that is n at least, and what closes
// that.
func above(fd, n int) (int, func(), error) {
	if fd >= n {
		return fd, func() {}, nil
	}
	high, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, n)
	if err != nil {
		return -1, nil, fmt.Errorf("number the guardian's descriptors: %w", err)
	}
	return high, func() { unix.Close(high) }, nil
}

// place puts descriptors in place, files[i] as i, by way of numbers from spare on,
// which are free.
func place(files []uintptr, spare int) (calls []guardian.Call) {
	call := func(nr uintptr, args ...uintptr) {
		c := guardian.Call{Nr: nr}
		copy(c.Args[:], args)
		calls = append(calls, c)
	}
	files = slices.Clone(files)
	for i, fd := range files { // what would be overwritten before its turn
		if int(fd) >= 0 && int(fd) < i {
			call(unix.SYS_DUP3, fd, uintptr(spare), unix.O_CLOEXEC)
			files[i] = uintptr(spare)
			spare++
		}
	}
	for i, fd := range files {
		switch int(fd) {
		case -1:
			call(unix.SYS_CLOSE_RANGE, uintptr(i), uintptr(i), 0)
		case i:
			call(unix.SYS_FCNTL, fd, unix.F_SETFD, 0)
		default:
			call(unix.SYS_DUP3, fd, uintptr(i), 0)
		}
	}
	if n := len(files); n < 3 {
		call(unix.SYS_CLOSE_RANGE, uintptr(n), 2, 0)
	}
	return calls
}

// notStarted is why the program was not started: the guardian's step and its errno.
func (k *keeper) notStarted(step guardian.Step, e unix.Errno) error {
	switch step {
	case guardian.StepDir:
		return &os.PathError{Op: "chdir", Path: k.dir, Err: e}
	case guardian.StepFiles:
		return fmt.Errorf("%v: %w", step, e)
	}
	return startError(step, e)
}

// errGuardian means that the guardian ended without a word.
var errGuardian = errors.New("the guardian was killed")

// receive returns the guardian's next message and the descriptor that came
// with it, -1 if none.
func (k *keeper) receive() (guardian.Message, int, error) {
	buf := make([]byte, guardian.MessageSize)
	oob := make([]byte, unix.CmsgSpace(4))
	for {
		n, on, _, _, err := unix.Recvmsg(k.conn, buf, oob, unix.MSG_CMSG_CLOEXEC)
		if err == unix.EINTR || err == unix.ECONNRESET {
			continue // ECONNRESET, once: it ended with commands of ours unread; what it said comes still
		}
		if err != nil || n == 0 {
			return guardian.Message{}, -1, errGuardian
		}
		fd := -1
		if cmsgs, err := unix.ParseSocketControlMessage(oob[:on]); err == nil && len(cmsgs) > 0 {
			if fds, err := unix.ParseUnixRights(&cmsgs[0]); err == nil && len(fds) > 0 {
				fd = fds[0]
			}
		}
		m, err := guardian.Decode(buf[:n])
		return m, fd, err
	}
}

// killTree makes the guardian kill all that is left, and itself.
func (k *keeper) killTree() {
	k.send(guardian.CommandKill)
}

// send gives the guardian a command, unless it has ended.
func (k *keeper) send(command []byte) { k.sendFile(command, -1) }

// sendFile is send with a descriptor, unless that is negative.
func (k *keeper) sendFile(command []byte, fd int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return
	}
	var rights []byte
	if fd >= 0 {
		rights = unix.UnixRights(fd)
	}
	unix.Sendmsg(k.conn, command, rights, nil, unix.MSG_NOSIGNAL)
}

// collect waits for the guardian's end: it has nothing to do any more.
func (k *keeper) collect() {
	k.mu.Lock()
	k.closed = true
	unix.Close(k.conn)
	k.mu.Unlock()
	for {
		_, err := unix.Wait4(k.pid, nil, 0, nil)
		if err != unix.EINTR {
			return
		}
	}
}
