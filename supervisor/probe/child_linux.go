package probe

import (
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

//go:generate child/build.sh

//go:embed child/child.elf
var childELF []byte

// patience bounds one probe; the child gives up by itself a second earlier.
const patience = 6 * time.Second

// A record is what a child says: struct record of child/sys.h.
type record struct {
	verdict uint32
	call    int32
	errno   unix.Errno
	value   uint64
}

const (
	recordSize  = 24
	recordMagic = 0x50524f42
)

const (
	saysYes = iota
	saysNo
	saysUnknown
)

func parseRecord(b []byte) (record, bool) {
	if len(b) != recordSize || binary.NativeEndian.Uint32(b) != recordMagic {
		return record{}, false
	}
	return record{
		verdict: binary.NativeEndian.Uint32(b[4:]),
		call:    int32(binary.NativeEndian.Uint32(b[8:])),
		errno:   unix.Errno(binary.NativeEndian.Uint32(b[12:])),
		value:   binary.NativeEndian.Uint64(b[16:]),
	}, true
}

// A silence is a child that ended without a word.
type silence struct {
	signal syscall.Signal // that killed it, or 0
}

func (s *silence) Error() string {
	if s.signal != 0 {
		return fmt.Sprintf("the probe was killed by %s", unix.SignalName(s.signal))
	}
	return "the probe ended without an answer"
}

// A nursery starts children from one executable file.
type nursery struct {
	ctx  context.Context
	path string // of the file
	fd   int    // of the memory file, or -1
	temp string // the temporary file, or nothing
	err  error  // why no child can be started
}

// newNursery makes the file executable in the way that works here. Under a
// profile that kills, creating a memory file could be the end of the whole
// process: there the temporary file comes first.
func newNursery(ctx context.Context, filtered bool) *nursery {
	n := &nursery{ctx: ctx, fd: -1}
	places := []func() error{n.inMemory, n.inTemp}
	if filtered {
		places = []func() error{n.inTemp, n.inMemory}
	}
	var errs []error
	for _, place := range places {
		err := place()
		if err == nil {
			if _, err = n.ask("launch"); err == nil {
				return n
			}
		}
		errs = append(errs, err)
		n.close()
	}
	n.err = fmt.Errorf("can't execute the probes: %w", errors.Join(errs...))
	return n
}

func (n *nursery) inMemory() error {
	fd, err := unix.MemfdCreate("reflect-probe", unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if err == unix.EINVAL { // Linux < 6.3 has no MFD_EXEC
		fd, err = unix.MemfdCreate("reflect-probe", unix.MFD_CLOEXEC)
	}
	if err != nil {
		return fmt.Errorf("memfd_create: %w", err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, childELF); err != nil {
		return err
	}
	// Anew, read-only (a file that is open for writing can't be executed), and
	// with a number that the child's own descriptors don't take.
	ro, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open the memory file: %w", err)
	}
	defer unix.Close(ro)
	if n.fd, err = unix.FcntlInt(uintptr(ro), unix.F_DUPFD_CLOEXEC, 10); err != nil {
		n.fd = -1
		return err
	}
	n.path = "/proc/self/fd/" + strconv.Itoa(n.fd)
	return nil
}

func (n *nursery) inTemp() error {
	f, err := os.CreateTemp("", "reflect-probe-")
	if err != nil {
		return err
	}
	n.path, n.temp = f.Name(), f.Name()
	_, err = f.Write(childELF)
	return errors.Join(err, f.Chmod(0o700), f.Close())
}

func (n *nursery) close() {
	if n.fd >= 0 {
		unix.Close(n.fd)
		n.fd = -1
	}
	if n.temp != "" {
		os.Remove(n.temp)
		n.temp = ""
	}
}

// ask runs one probe and returns what it says.
func (n *nursery) ask(name string, args ...uint64) (record, error) {
	if n.err != nil {
		return record{}, n.err
	}
	if err := n.ctx.Err(); err != nil {
		return record{}, err
	}
	c, err := n.start(name, args...)
	if err != nil {
		return record{}, err
	}
	c.out.SetReadDeadline(time.Now().Add(patience))
	stop := context.AfterFunc(n.ctx, func() { c.out.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()

	b := make([]byte, recordSize)
	got, readErr := 0, error(nil)
	for got < len(b) && readErr == nil {
		var k int
		k, readErr = c.out.Read(b[got:])
		got += k
	}
	if errors.Is(readErr, os.ErrDeadlineExceeded) {
		c.kill()
		c.wait()
		if err := n.ctx.Err(); err != nil {
			return record{}, err
		}
		return record{}, errors.New("the probe hangs")
	}
	status := c.wait()
	if r, ok := parseRecord(b[:got]); ok {
		return r, nil
	}
	if status.Signaled() {
		return record{}, &silence{status.Signal()}
	}
	return record{}, &silence{}
}

// A child is one running probe, and the leader of a process group.
type child struct {
	process *os.Process
	out     *os.File
	ended   chan struct{} // closed when it has ended, and its group with it
}

// start starts a child that writes to c.out.
func (n *nursery) start(name string, args ...uint64) (*child, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	argv := []string{"reflect-probe", name}
	for _, a := range args {
		argv = append(argv, strconv.FormatUint(a, 16))
	}
	path, free, err := n.pathBeside(int(in.Fd()))
	if err != nil {
		out.Close()
		return nil, err
	}
	defer free()
	c := &child{out: out, ended: make(chan struct{})}
	for range 50 {
		c.process, err = os.StartProcess(path, argv, &os.ProcAttr{
			Env: []string{}, Files: []*os.File{nil, in, nil}, Sys: &syscall.SysProcAttr{Setpgid: true},
		})
		// A child that another thread forked at the wrong moment still holds
		// our temporary file open for writing, until it execs.
		if !errors.Is(err, syscall.ETXTBSY) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err != nil {
		out.Close()
		return nil, err
	}
	go c.sweep()
	return c, nil
}

// pathBeside returns the path to execute in a fork that is given descriptor fd.
// Between fork and exec, Go puts descriptors of its own on the numbers right
// above those that it is given (forkAndExecInChild1, package syscall), be the
// executable there or not.
func (n *nursery) pathBeside(fd int) (path string, free func(), err error) {
	const used = 8 // by Go; it is 2 with one descriptor given
	if n.fd < 0 || n.fd < fd || n.fd > fd+used {
		return n.path, func() {}, nil
	}
	high, err := unix.FcntlInt(uintptr(n.fd), unix.F_DUPFD_CLOEXEC, fd+used+1)
	if err != nil {
		return "", nil, fmt.Errorf("number the probes' file: %w", err)
	}
	return "/proc/self/fd/" + strconv.Itoa(high), func() { unix.Close(high) }, nil
}

// sweep waits for a child's end and kills what it left behind, which would keep
// the pipe open. The child is not reaped yet, so its number is nobody else's.
func (c *child) sweep() {
	defer close(c.ended)
	for {
		err := unix.Waitid(unix.P_PID, c.process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		if err == nil {
			unix.Kill(-c.process.Pid, unix.SIGKILL)
		}
		return // ECHILD: a host program that ignores SIGCHLD
	}
}

// kill ends a child and all that it started.
func (c *child) kill() { unix.Kill(-c.process.Pid, unix.SIGKILL) }

// wait waits for a child's end and frees all that belongs to it.
func (c *child) wait() syscall.WaitStatus {
	<-c.ended
	c.out.Close()
	state, err := c.process.Wait()
	if err != nil {
		return 0 // it has no status where SIGCHLD is ignored
	}
	status, _ := state.Sys().(syscall.WaitStatus)
	return status
}
