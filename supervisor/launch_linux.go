package supervisor

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/supervisor/internal/guardian"
)

// A keeper is the supervisor's end of the guardian.
type keeper struct {
	pid  int
	conn int // SOCK_SEQPACKET, one guardian.Message a packet

	mu     sync.Mutex
	closed bool // conn is; mu is held by whoever uses it beside its reader

	spawning *spawning // nil where syscall.ForkExec did it
	dir      string    // where it was to be started
}

// launch starts the guardian, which waits for the launch block. files are the
// program's descriptors from 0 on; it has all others, too, that are not
// close-on-exec.
func launch(dir string, files []uintptr) (_ *keeper, err error) {
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
	// It may not stand where the program's descriptors go.
	control, err := unix.FcntlInt(uintptr(pair[1]), unix.F_DUPFD, len(files))
	if err != nil {
		return nil, fmt.Errorf("number the guardian's socket: %w", err)
	}
	defer unix.Close(control)
	elf, err := guardianFile(forkUses(files))
	if err != nil {
		return nil, err
	}
	defer unix.Close(elf)
	k := &keeper{conn: pair[0], dir: dir}
	args := []string{guardian.Name, strconv.Itoa(control)}
	if before := inherited(); before.known {
		k.spawning, k.pid, err = spawn(dir, files, before.files, max(control, elf)+1, elf, args)
	} else {
		k.pid, err = syscall.ForkExec("/proc/self/fd/"+strconv.Itoa(elf), args, &syscall.ProcAttr{Dir: dir, Env: []string{}, Files: files})
	}
	if err != nil {
		return nil, k.notStarted(err)
	}
	return k, nil
}

// started returns why the guardian did not come to life, if that is so: where
// somebody spoke to it in vain it is the reason.
func (k *keeper) started() error {
	if k.spawning == nil {
		return nil
	}
	if e := k.spawning.failed(); e != 0 {
		return k.notStarted(e)
	}
	return nil
}

func (k *keeper) notStarted(err error) error {
	if k.dir != "" {
		if _, e := os.Stat(k.dir); e != nil {
			return &os.PathError{Op: "chdir", Path: k.dir, Err: err}
		}
	}
	return fmt.Errorf("start the guardian: %w", err)
}

// run makes the guardian start the program and map its generation's page from the
// region's memory file.
func (k *keeper) run(block []byte, region int) error {
	fd, err := memfd("reflect-launch", len(block), block)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Sendmsg(k.conn, guardian.CommandRun, unix.UnixRights(fd, region), nil, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("speak to the guardian: %w", err)
	}
	return nil
}

// forkUses returns the first number above all descriptors that syscall.ForkExec
// writes to in the child: it puts its own pipe, and whatever would be overwritten
// before it is in place, above all that it is given (forkAndExecInChild1).
func forkUses(files []uintptr) int {
	next := len(files)
	for _, fd := range files {
		next = max(next, int(fd))
	}
	next += 2 // beyond, and the pipe
	for i, fd := range files {
		if int(fd) >= 0 && int(fd) < i {
			next++
		}
	}
	return next + 1 // it steps over the pipe
}

// guardianFile makes an executable memory file, numbered above the descriptors
// that the fork puts in place before it executes it.
func guardianFile(above int) (int, error) {
	fd, err := unix.MemfdCreate("reflect-guard", unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if err == unix.EINVAL { // Linux < 6.3 has no MFD_EXEC: all are executable
		fd, err = unix.MemfdCreate("reflect-guard", unix.MFD_CLOEXEC)
	}
	if err != nil {
		return -1, fmt.Errorf("create the guardian's executable: %w", err)
	}
	if err = beyondFileSize(func() error { return writeAll(fd, guardian.ELF, 0) }); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("write the guardian's executable: %w", err)
	}
	if fd >= above {
		return readOnly(fd)
	}
	high, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, above)
	unix.Close(fd)
	if err != nil {
		return -1, fmt.Errorf("number the guardian's executable: %w", err)
	}
	return readOnly(high)
}

// readOnly opens fd anew without write access: a file that is open for writing
// can't be executed (ETXTBSY, execve(2)).
func readOnly(fd int) (int, error) {
	ro, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("open the guardian's executable: %w", err)
	}
	high, err := unix.FcntlInt(uintptr(ro), unix.F_DUPFD_CLOEXEC, fd)
	unix.Close(ro)
	unix.Close(fd)
	if err != nil {
		return -1, fmt.Errorf("number the guardian's executable: %w", err)
	}
	return high, nil
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

// superseded reports whether the guardian already told more of the program's state
// than what was received last.
func (k *keeper) superseded() bool {
	buf := make([]byte, guardian.MessageSize)
	n, _, err := unix.Recvfrom(k.conn, buf, unix.MSG_PEEK|unix.MSG_DONTWAIT)
	if err != nil {
		return false
	}
	m, err := guardian.Decode(buf[:n])
	return err != nil || m.Type != guardian.Signal
}

// send gives the guardian a command, unless it has ended.
func (k *keeper) send(command []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed {
		unix.Send(k.conn, command, unix.MSG_NOSIGNAL)
	}
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
