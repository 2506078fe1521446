package trees

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNone means that no tree was found.
var ErrNone = errors.New("no tree of processes runs under reflect")

// A Tree is a program with all of its descendants.
type Tree struct {
	// Supervisor is the process that serves it: `reflect run`, a program that
	// embeds package supervisor, or the process that was left behind for daemons.
	Supervisor int
	// Name is the name of the oldest process that is a child of the guardian, ""
	// if the last one has just ended.
	Name string
}

// Reseed bumps the generation of running trees, and returns those of which it did.
// When it returns, no generator that follows the generation gives out a byte that
// it made before the call.
//
// With a pid other than 0 these are the trees that process is in or serves; one that
// embeds package supervisor may serve several. Without, all trees that the caller may
// reach: those of its user, or all for root. The error wraps [ErrNone] where there is
// none, [os.ErrPermission] where it is another user's, and unix.ESRCH where the
// process does not exist; of several trees that failed it wraps all reasons.
func Reseed(pid int) ([]Tree, error) {
	found, err := find(pid)
	if err != nil {
		return nil, err
	}
	var done []Tree
	var errs []error
	for _, g := range found {
		defer unix.Close(g.pidfd)
		switch err := g.reseed(); {
		case err == nil:
			done = append(done, g.Tree)
		case err != unix.ESRCH: // which has just ended
			errs = append(errs, fmt.Errorf("the tree of process %d: %w", g.Supervisor, err))
		}
	}
	if len(done) == 0 && len(errs) == 0 {
		errs = append(errs, noTree("what ran under reflect has just ended"))
	}
	return done, errors.Join(errs...)
}

// patience is how long a guardian may take, in which it has nothing else to do.
const patience = 2 * time.Second

// reseed asks the guardian for another generation and waits until it is there.
func (g *guard) reseed() error {
	before, err := g.generation()
	if err != nil {
		return err
	}
	if err := requestReseed(g.pidfd); err != nil {
		return err
	}
	wait := 50 * time.Microsecond
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); wait = min(2*wait, 10*time.Millisecond) {
		now, err := g.generation()
		if err == nil && now != before {
			return nil
		}
		if g.ended(wait) {
			return unix.ESRCH
		}
	}
	return fmt.Errorf("its guardian, process %d, does not answer; is it stopped?", g.pid)
}

// ended waits for the guardian's end.
func (g *guard) ended(limit time.Duration) bool {
	t := unix.NsecToTimespec(int64(limit))
	n, err := unix.Ppoll([]unix.PollFd{{Fd: int32(g.pidfd), Events: unix.POLLIN}}, &t, nil)
	return n > 0 && err == nil
}
