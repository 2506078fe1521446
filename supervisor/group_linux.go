package supervisor

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A shell makes the first process of a job the leader of the job's process group, which is this
// process here, not the program. So a program that wants to lead its group, as shells and timeout(1)
// do, leaves ours for one of its own, where natively it stays where it is (setpgid(2)). What
// would have been its group's then is handed on to the group that it leads: signals, and the terminal.

// ledAway reports whether the program leads a group of its own where natively it would
// lead that of the job. What reflect doesn't lead, the program leaves natively as well.
func (c *Cmd) ledAway() bool {
	if unix.Getpgrp() != unix.Getpid() {
		return false
	}
	select {
	case <-c.exited: // its id may be another's by now
		return false
	default:
	}
	group, err := unix.Getpgid(c.pid)
	if err != nil || group != c.pid {
		return false
	}
	session, err := unix.Getsid(c.pid)
	return err == nil && session == mySession()
}

// lend gives the terminal, if it is the job's, to the group that the program leads: when that was
// stopped for using it, or may want it, unless others in the job than the program may have it now, as a
// pager at the end of a pipeline.
func (c *Cmd) lend(wanted bool) bool {
	if !c.ledAway() {
		return false
	}
	c.lending.Lock()
	defer c.lending.Unlock()
	t := openTerminal()
	defer t.close()
	return t.group() == unix.Getpgrp() && (wanted || c.alone()) && t.give(c.pid)
}

// atExec is called where a process of the run executes something: who reads the terminal in
// the background is stopped, and nobody tells us of any but the first process.
func (c *Cmd) atExec() { c.lend(false) }

// alone reports whether nobody but this process and the guardian is in our process group.
func (c *Cmd) alone() bool {
	if time.Since(c.others) < othersStay {
		return false
	}
	processes, _ := os.ReadDir("/proc")
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil || pid == unix.Getpid() || pid == c.keeper.pid {
			continue
		}
		if group, err := unix.Getpgid(pid); err == nil && group == unix.Getpgrp() {
			c.others = time.Now()
			return false
		}
	}
	return true
}

// othersStay is for how long others in the group are taken to be there.
const othersStay = time.Second

// goOn continues the job: the processes of our group, and those of the program's.
func (c *Cmd) goOn() {
	unix.Kill(0, unix.SIGCONT)
	if c.ledAway() {
		unix.Kill(-c.pid, unix.SIGCONT)
	}
}

// wantsOurs reports whether the program was stopped for using the terminal that is the job's, and
// now has it, and goes on.
func (c *Cmd) wantsOurs() bool {
	if by := c.resting.by; (by != unix.SIGTTIN && by != unix.SIGTTOU) || !c.lend(true) {
		return false
	}
	unix.Kill(-c.pid, unix.SIGCONT)
	return true
}
