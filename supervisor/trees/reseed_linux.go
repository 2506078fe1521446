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
	asked := make([]error, len(found))
	for i, g := range found {
		defer unix.Close(g.pidfd)
		asked[i] = g.ask()
	}
	deadline := time.Now().Add(patience)
	var done []Tree
	var errs []error
	for i, g := range found {
		err := asked[i]
		if err == nil {
			err = g.wait(deadline)
		}
		switch {
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

// patience is how long guardians may take, which have nothing else to do.
const patience = 2 * time.Second

// ask asks the guardian for another generation.
func (g *guard) ask() (err error) {
	if g.before, err = g.generation(); err != nil {
		return err
	}
	return requestReseed(g.pidfd)
}

// wait waits until the generation is another, by whatever cause: it was changed
// after Reseed was called, which is what counts.
func (g *guard) wait(deadline time.Time) error {
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 10*time.Millisecond) {
		now, err := g.generation()
		if err == nil && now != g.before {
			return nil
		}
		if g.ended(pause) {
			return unix.ESRCH
		}
		if time.Now().After(deadline) {
			break
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
