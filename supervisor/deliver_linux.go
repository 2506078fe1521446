package supervisor

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// This file brings descriptors into an image that is being handed off. The image
// makes an exec, which the filter notifies, and a receiver answers with ADDFD.

// request makes the image ask for its descriptors: an exec that the filter
// notifies and that a receiver answers, or this thread itself where it is alone.
func (h *handoff) request(t *tracee, saved *unix.PtraceRegs, insn uint64) (int64, error) {
	if !h.alone {
		return t.call(saved, insn, uint64(h.nr), 0, 0, 0, 0, 0, 0)
	}
	if err := t.enter(saved, insn, uint64(h.nr), nil); err != nil {
		return 0, err
	}
	if err := t.ptrace(unix.PTRACE_SYSCALL, 0, 0); err != nil {
		return 0, t.lost(err)
	}
	var n notification
	if h.r.await() && recvNotif(h.r.listener, &n) == 0 {
		h.give(&n)
	}
	if err := t.await(t.atSyscall); err != nil {
		return 0, err
	}
	return t.result()
}

// deliver brings the region's descriptor, and the counters' if there are any,
// into the image. Given any earlier, the descriptors would be inherited by
// children that other threads fork meanwhile.
func (h *handoff) deliver(t *tracee, saved *unix.PtraceRegs, insn uint64) (region, counters int32, err error) {
	restore := func() {}
	defer func() { restore() }()
	for attempt := 0; ; attempt++ {
		fd, err := h.request(t, saved, insn)
		if err != nil {
			return 0, 0, err
		}
		fds, e := h.given()
		if fd >= 0 {
			return fds[0], fds[1], nil
		}
		for _, given := range fds {
			if given >= 0 {
				t.call(saved, insn, unix.SYS_CLOSE, uint64(given))
			}
		}
		if e == 0 {
			e = unix.Errno(-fd)
		}
		if e == unix.EMFILE && attempt == 0 {
			if restore, err = raiseNoFile(t.pid); err == nil {
				continue
			}
			attempt++
		}
		if e == unix.EMFILE && attempt == 1 {
			if err = h.borrow(t.pid); err == nil {
				continue
			}
			e, _ = err.(unix.Errno)
		}
		return 0, 0, &errUnreflected{reason: "no descriptor could be given to it", err: e}
	}
}

// give answers the notification by which the image asks for its descriptors:
// the region's, and the counters'.
func (h *handoff) give(n *notification) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ours := [...]int{h.r.region.fd, h.r.region.counters}
	h.fds, h.err = [2]int32{-1, -1}, 0
	for i, src := range ours {
		if src < 0 {
			continue
		}
		a := addfd{id: n.id, srcfd: uint32(src), newfdFlags: unix.O_CLOEXEC}
		switch {
		case h.returning:
			if i >= len(h.borrowed) {
				continue
			}
			b := h.borrowed[i]
			a.srcfd, a.newfd, a.newfdFlags, a.flags = uint32(b.file), b.number, b.flags, addfdSetFD
		case i < len(h.borrowed):
			a.newfd, a.flags = h.borrowed[i].number, addfdSetFD
		}
		fd, e := addFD(h.r.listener, &a)
		if e != 0 {
			h.err = e
			sendNotif(h.r.listener, &response{id: n.id, err: -int32(e)})
			return
		}
		h.fds[i] = int32(fd)
	}
	sendNotif(h.r.listener, &response{id: n.id, val: int64(h.fds[0])})
}

// given is what give last did.
func (h *handoff) given() ([2]int32, unix.Errno) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fds, h.err
}

// raiseNoFile lifts the soft limit on descriptors for the moment of a handoff.
func raiseNoFile(pid int) (restore func(), err error) {
	var old unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &old); err != nil {
		return func() {}, err
	}
	raised := unix.Rlimit{Cur: old.Max, Max: old.Max}
	if old.Cur == old.Max {
		// Only CAP_SYS_RESOURCE may lift a hard limit.
		raised = unix.Rlimit{Cur: old.Max + 16, Max: old.Max + 16}
	}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &raised, nil); err != nil {
		return func() {}, err
	}
	return func() { unix.Prlimit(pid, unix.RLIMIT_NOFILE, &old, nil) }, nil
}

// A borrowed descriptor of an image stands aside while one of ours has its
// number. An exec has left the image one thread, which is stopped, and a table of
// its own (unshare_files), so nobody can see it; only record locks that the
// process holds on that file would be lost (fcntl_locking(2)).
type borrowed struct {
	number uint32
	flags  uint32 // O_CLOEXEC or 0
	file   int    // our copy
}

// borrow takes the numbers of as many open descriptors as are needed. It is for
// images that have reached a limit which nobody may lift.
func (h *handoff) borrow(pid int) error {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(pidfd)
	open, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/fd")
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	want := 1
	if h.r.region.counters >= 0 {
		want = 2
	}
	for _, entry := range open {
		if len(h.borrowed) == want {
			break
		}
		number, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		file, err := unix.PidfdGetfd(pidfd, number, 0)
		if err != nil {
			return err
		}
		h.borrowed = append(h.borrowed, borrowed{uint32(number), closeOnExec(pid, number), file})
	}
	if len(h.borrowed) < want {
		h.release()
		return unix.EMFILE
	}
	return nil
}

// closeOnExec reads a descriptor's flag from /proc/PID/fdinfo/N (proc(5)).
func closeOnExec(pid, number int) uint32 {
	b, err := readProc(pid, "fdinfo/"+strconv.Itoa(number), make([]byte, 1024))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "flags:")
	line, _, _ := strings.Cut(rest, "\n")
	flags, _ := strconv.ParseUint(strings.TrimSpace(line), 8, 64)
	return uint32(flags) & unix.O_CLOEXEC
}

// giveBack puts borrowed descriptors back under their numbers, which the
// routine has closed.
func (h *handoff) giveBack(t *tracee, saved *unix.PtraceRegs, insn uint64) {
	if len(h.borrowed) == 0 {
		return
	}
	defer func() {
		h.mu.Lock()
		h.release()
		h.mu.Unlock()
	}()
	if t.dead {
		return
	}
	h.mu.Lock()
	h.returning = true
	h.mu.Unlock()
	if t.event() == unix.PTRACE_EVENT_SECCOMP || t.by != nil {
		// The routine's final call is not made, but its exit is reported.
		regs := *saved
		regs.Orig_rax = noSyscall
		if t.setRegs(&regs) != nil || t.resume(unix.PTRACE_SYSCALL, t.atSyscall) != nil {
			return
		}
	}
	if _, err := h.request(t, saved, insn); err != nil {
		return
	}
	if _, e := h.given(); e != 0 {
		h.r.miss("a borrowed descriptor could not be given back: "+e.Error(), t.String())
	}
}

// release closes our copies; h.mu is held.
func (h *handoff) release() {
	for _, b := range h.borrowed {
		unix.Close(b.file)
	}
	h.borrowed, h.returning = nil, false
}
