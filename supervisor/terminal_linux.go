package supervisor

import "golang.org/x/sys/unix"

// A terminal is the one that controls this process, negative if there is none.
type terminal struct {
	fd   int
	lost bool // another group has had it
}

func openTerminal() terminal {
	fd, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		fd = -1
	}
	return terminal{fd: fd}
}

// look reports whether this process's group has been given the terminal again: where a
// shell has seen us go on for a call, its fg sends no SIGCONT.
func (t *terminal) look() bool {
	switch group := t.group(); {
	case group < 0:
	case group != unix.Getpgrp():
		t.lost = true
	case t.lost:
		t.lost = false
		return true
	}
	return false
}

// group is the terminal's foreground process group, negative if there is none.
func (t *terminal) group() int {
	group, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
	if err != nil {
		return -1
	}
	return group
}

// give makes a group the terminal's foreground group, which must be ours.
func (t *terminal) give(group int) bool {
	return unix.IoctlSetPointerInt(t.fd, unix.TIOCSPGRP, group) == nil
}

func (t *terminal) close() {
	if t.fd >= 0 {
		unix.Close(t.fd)
	}
}
