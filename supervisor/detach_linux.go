package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/supervisor/internal/guardian"
)

// legacy is what a successor needs to serve on. The descriptors follow it in the
// order of the legacy* constants.
type legacy struct {
	Plan        *policy.Plan
	Base        uint64
	SyscallInsn uint64
	User        int // length of the user's vDSO image in the region
	Plain       bool
	Denies      bool
}

const (
	legacyState = 3 + iota
	legacyListener
	legacyConn
	legacyRegion
	legacyTurn // a socket: a byte when the successor is ready, a byte back when it is its turn
)

// Detach hands the processes that the program left behind to a successor: the
// command name with args, which must call Succeed. It lets a command end with the
// program, as natively, while daemons that the program started live on and are
// served. Counters end here. After it returned nil this process must not use c
// any more but exit.
func (c *Cmd) Detach(name string, args ...string) error {
	r := c.run
	switch {
	case r == nil:
		return errors.New("supervisor: not started")
	case r.tracer != nil:
		return ErrTracer
	case len(c.Handlers) > 0:
		return errors.New("supervisor: handlers of the program can't be handed to a successor")
	}
	state, err := json.Marshal(legacy{r.plan, r.base, r.syscallInsn, len(r.user), r.plain, r.denies})
	if err != nil {
		return fmt.Errorf("describe the run: %w", err)
	}
	file, err := memfd("reflect-state", len(state), state)
	if err != nil {
		return err
	}
	defer unix.Close(file)
	turn, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("create a socket pair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(turn[0]), ""), os.NewFile(uintptr(turn[1]), "")
	c.turn = ours // stays open until this process ends
	cmd := exec.Command(name, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	handed, err := c.handed(file)
	defer func() {
		for _, f := range handed {
			f.Close()
		}
	}()
	if handed == nil || err != nil {
		theirs.Close()
		return err // nobody is left to be served where err is nil
	}
	cmd.ExtraFiles = append(handed, theirs)
	conn := handed[legacyConn-legacyState]
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return fmt.Errorf("start a successor: %w", err)
	}
	if n, _ := ours.Read(make([]byte, 1)); n != 1 {
		cmd.Wait()
		return errors.New("supervisor: the successor did not start")
	}
	// Handoffs under way must be finished: their tracees would die with this
	// process, and a successor would get the requests for their descriptors.
	r.stopReceivers()
	pidfd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	if err != nil {
		return fmt.Errorf("watch the successor: %w", err)
	}
	defer unix.Close(pidfd)
	if err := unix.Sendmsg(int(conn.Fd()), guardian.CommandAdopt, unix.UnixRights(pidfd), nil, unix.MSG_NOSIGNAL); err != nil &&
		err != unix.EPIPE && err != unix.ECONNRESET { // the last process has just ended
		return fmt.Errorf("speak to the guardian: %w", err)
	}
	if err := r.leaveStreams(file, len(state)); err != nil {
		return err
	}
	if _, err := ours.Write([]byte{1}); err != nil {
		return fmt.Errorf("speak to the successor: %w", err)
	}
	return nil
}

// handed duplicates what a successor gets, in the order of the legacy* constants;
// nil if the last process has ended and all of it is closed.
func (c *Cmd) handed(state int) (files []*os.File, err error) {
	c.keeper.mu.Lock()
	defer c.keeper.mu.Unlock()
	if c.keeper.closed {
		return nil, nil
	}
	for _, fd := range []int{state, c.run.listener, c.keeper.conn, c.run.region.fd} {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return files, fmt.Errorf("hand the run over: %w", err)
		}
		files = append(files, os.NewFile(uintptr(dup), ""))
	}
	return files, nil
}

// Succeed serves the processes that Detach handed over, and returns when none is
// left. It is called by the command that Detach starts.
func Succeed() error {
	file := os.NewFile(legacyState, "state")
	info, err := file.Stat()
	if err != nil {
		return errors.New("supervisor: nothing was handed over")
	}
	b := make([]byte, info.Size())
	if _, err := file.ReadAt(b, 0); err != nil {
		return fmt.Errorf("read what was handed over: %w", err)
	}
	defer file.Close()
	var l legacy
	if err := json.Unmarshal(b, &l); err != nil {
		return fmt.Errorf("read what was handed over: %w", err)
	}
	for fd := legacyListener; fd <= legacyTurn; fd++ {
		unix.CloseOnExec(fd)
	}
	r := newRun(l.Plan)
	r.base, r.syscallInsn, r.listener = l.Base, l.SyscallInsn, legacyListener
	r.user, r.plain, r.denies = make([]byte, l.User), l.Plain, l.Denies
	r.region = &region{fd: legacyRegion, counters: -1}
	if err := r.fillTable(nil); err != nil {
		return err
	}
	if err := r.takePatching(); err != nil {
		return err
	}
	turn := os.NewFile(legacyTurn, "turn")
	if _, err := turn.Write([]byte{1}); err != nil {
		return fmt.Errorf("speak to the predecessor: %w", err)
	}
	if n, _ := turn.Read(make([]byte, 1)); n != 1 {
		return errors.New("supervisor: the predecessor did not let go")
	}
	if err := r.takeStreams(file, int64(len(b))); err != nil {
		return err
	}
	r.start()
	turn.Close()
	k := keeper{conn: legacyConn}
	for {
		_, fd, err := k.receive()
		if fd >= 0 {
			unix.Close(fd)
		}
		if err != nil {
			break // the end, whoever of us two got the messages before it
		}
	}
	r.stop()
	return nil
}
