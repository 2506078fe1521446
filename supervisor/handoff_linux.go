package supervisor

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/vdsoshim"
)

// A handoff is what happens at one exec: the new image gets the shim and is let
// go. The caller's execve waits for us when it begins.
type handoff struct {
	r  *run
	nr int32 // execve or execveat: the sandbox of the program, if it has one, allows this number
	// mu guards what a receiver reads and writes while the image waits for its
	// descriptors.
	mu  sync.Mutex
	fds [2]int32   // their numbers in the image: region, counters; -1 where not given
	err unix.Errno // of the delivery

	// borrowed are descriptors of the image whose numbers ours took.
	borrowed  []borrowed
	returning bool // they are to be given back now

	// alone means that no receiver runs yet: this thread must take the image's
	// request itself.
	alone bool
}

// errUnreflected wraps the reason why an image runs without the shim.
type errUnreflected struct {
	reason string
	err    error
	// served means that all is reflected as the policy says, though not in the
	// program: nobody needs to be warned.
	served bool
	// foreign means that no rule meets its calls.
	foreign bool
}

func (e *errUnreflected) Error() string {
	if e.err == nil {
		return e.reason
	}
	return e.reason + ": " + e.err.Error()
}
func (e *errUnreflected) Unwrap() error { return e.err }

// exec serves an execve or execveat that waits: the caller is seized first, so
// that the new image can't run a single instruction without us. begun is called when the
// kernel has it, or it takes another turn: from there on it may take long.
func (r *run) exec(n *notification, begun func()) {
	if t := r.handOff(n, false, ptraceOptions, begun); t != nil {
		t.detach()
	}
}

// executes notes that a process of the run is about to execute something.
func (r *run) executes() {
	r.execs.Add(1)
	if r.atExec != nil {
		r.atExec()
	}
}

// handOff is exec for who wants to stay attached: it returns the caller, stopped
// after its handoff, or nil where that was let go or is gone.
func (r *run) handOff(n *notification, alone bool, options uintptr, begun func()) *tracee {
	r.executes()
	if r.refuse(n) {
		return nil
	}
	t, err := seize(int(n.pid), options)
	if err != nil {
		begun() // who reads the warning may wait for us
		r.unseizable(n, err)
		return nil
	}
	if !notifValid(r.listener, n.id) { // the id was another thread's by now
		begun()
		r.letGo(t)
		return nil
	}
	from := r.depart(t)
	pair := together(t.tid)
	defer pair.leave()
	// A failed exec gives no stop of its own, so one is asked for. Where a signal
	// interrupts the notification (no WAIT_KILLABLE_RECV) so would that: there it
	// comes after the answer, and may find the caller at its next call.
	if r.plain {
		sendNotif(r.listener, &response{id: n.id, flags: flagContinue})
	}
	if err := ptraceRequest(unix.PTRACE_INTERRUPT, t.tid, 0, 0); err != nil {
		begun()
		t.lost(err)
		return nil
	}
	if !r.plain {
		sendNotif(r.listener, &response{id: n.id, flags: flagContinue})
	}
	begun()
	if err := t.wait(); err != nil {
		return nil
	}
	for t.event() != unix.PTRACE_EVENT_EXEC {
		if t.event() == unix.PTRACE_EVENT_STOP {
			// Back in user mode, or stopped with its group: the exec failed.
			// With -ERESTARTNOINTR in rax it is made again and notified again.
			pair.release(t.tid)
			t.detach()
			return nil
		}
		if err := ptraceRequest(unix.PTRACE_CONT, t.tid, 0, uintptr(t.stop.StopSignal())); err != nil {
			t.lost(err)
			return nil
		}
		if err := t.wait(); err != nil {
			return nil
		}
	}
	if !r.settle(t, from, n.nr, alone) {
		return nil
	}
	pair.release(t.tid)
	return t
}

// settle gives a fresh image, at its exec event, what it gets at a handoff. False
// means that it is gone.
func (r *run) settle(t *tracee, from departure, nr int32, alone bool) bool {
	r.arrive(t, from)
	r.executed(t)
	h := &handoff{r: r, nr: nr, alone: alone}
	err := h.equip(t)
	switch {
	case err == nil:
		r.programs.Add(1)
		r.beginTraced(t, true)
	case errors.Is(err, errGone):
		return false
	default:
		r.beginTraced(t, false)
		r.missImage(t, err)
	}
	return true
}

// letGo detaches from a tracee that is not stopped: it must stop first.
func (r *run) letGo(t *tracee) {
	if ptraceRequest(unix.PTRACE_INTERRUPT, t.tid, 0, 0) == nil && t.wait() == nil {
		t.detach()
	}
}

// equip brings the shim into a fresh image. The tracee is at its exec event.
func (h *handoff) equip(t *tracee) error {
	// The exit path of execve writes rax: nothing can be called before it.
	if t.by == nil || t.by.atExec {
		if err := t.resume(unix.PTRACE_SYSCALL, t.atSyscall); err != nil {
			return err
		}
	}
	var saved unix.PtraceRegs
	if err := t.getRegs(&saved); err != nil {
		return t.lost(err)
	}
	if saved.Cs != userCS64 {
		return &errUnreflected{reason: "32-bit program", foreign: true}
	}
	if !h.alone && h.r.filtered(t.pid) {
		return &errUnreflected{reason: "the program has a seccomp filter of its own, which the handoff's calls might offend: served by notification", served: true}
	}
	aux, err := readAuxv(t.pid, saved.Rsp)
	if err != nil {
		return &errUnreflected{reason: "its memory can't be reached", err: err}
	}
	if aux.vdso == 0 {
		return &errUnreflected{reason: "the image has no vDSO"}
	}
	// Signals that arrive now wait until the program runs.
	var mask uint64
	all := ^uint64(0)
	if err := t.sigmask(ptraceGetSigmask, &mask); err != nil {
		return t.lost(err)
	}
	if err := t.sigmask(ptraceSetSigmask, &all); err != nil {
		return t.lost(err)
	}
	err = h.install(t, &saved, aux)
	if errors.Is(err, errGone) {
		return err
	}
	saved.Orig_rax = noSyscall
	if h.r.signals && err == nil && mask&sigsysBit != 0 {
		// The program finds it blocked, the kernel must not (shim/sigsys.h).
		mask &^= sigsysBit
		saved.Es = vdsoshim.SigsysBlocked
	}
	if e := t.setRegs(&saved); e != nil {
		return t.lost(e)
	}
	if e := t.sigmask(ptraceSetSigmask, &mask); e != nil {
		return t.lost(e)
	}
	return err
}

// filtered reports whether a process has seccomp filters beside ours and those
// that we are under ourselves. Nobody but root may read them, and one that kills
// for what it does not list would kill for a handoff.
func (r *run) filtered(pid int) bool {
	r.countFilters.Do(func() {
		r.filters, _ = statusField(unix.Getpid(), "Seccomp_filters") // Linux >= 5.9
		r.filters++
		if r.denies {
			r.filters++
		}
	})
	n, err := statusField(pid, "Seccomp_filters")
	return err == nil && n > r.filters
}

// install makes the calls in the image: the descriptors are brought in, the
// image is mapped by a syscall instruction of the kernel's vDSO, and the shim's
// own routine does the rest.
func (h *handoff) install(t *tracee, saved *unix.PtraceRegs, aux auxv) error {
	r := h.r
	r.expect(t.pid, h)
	defer r.expect(t.pid, nil)
	mm := h.prepareMMap(t.pid, saved)
	insn := aux.vdso + r.syscallInsn
	if h.alone && r.handoffNotified {
		// Even the calls of a handoff are notified under this plan, those by which
		// a delivery that failed half way is undone among them.
		h.alone = false
		r.start()
	}
	region, counters, err := h.deliver(t, saved, insn)
	if err != nil {
		return err
	}
	defer func() { h.giveBack(t, saved, insn) }()
	base, err := t.call(saved, insn, unix.SYS_MMAP, r.base, vdsoshim.ImageSize,
		unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_FIXED_NOREPLACE, uint64(region), 0)
	if err != nil {
		return err
	}
	if base != int64(r.base) {
		t.call(saved, insn, unix.SYS_CLOSE, uint64(region))
		if counters >= 0 {
			t.call(saved, insn, unix.SYS_CLOSE, uint64(counters))
		}
		if base >= 0 { // a kernel before 4.17 took the address as a hint
			return &errUnreflected{reason: "the shim's address is taken"}
		}
		if unix.Errno(-base) == unix.EEXIST {
			return &errUnreflected{reason: "the shim's address is taken"}
		}
		return &errUnreflected{reason: "the shim could not be mapped", err: unix.Errno(-base)}
	}
	regs := *saved
	enterRoutine(&regs, r.base+vdsoshim.HandoffOff, routineArgs{
		region: region, counters: counters, stack: saved.Rsp, mm: mm, user: uint64(len(r.user)), trace: h.nr, unarmed: len(h.borrowed) > 0,
	})
	if err := t.setRegs(&regs); err != nil {
		return t.lost(err)
	}
	if t.by != nil {
		err = t.resume(unix.PTRACE_SYSCALL, func() bool { return t.atRoutinesEnd(r.base) })
	} else {
		err = t.resume(unix.PTRACE_CONT, func() bool { return t.event() == unix.PTRACE_EVENT_SECCOMP })
	}
	if err != nil {
		return err
	}
	if err := t.getRegs(&regs); err != nil {
		return t.lost(err)
	}
	if regs.Rdx != 0 { // the kernel's vDSO is there now
		insn = regs.Rdx + r.syscallInsn
	}
	if status, step := routineResult(&regs); status != 0 {
		reason := fmt.Sprintf("the shim's data could not be mapped (step %d)", step)
		if step == vdsoshim.StepUser {
			reason = "the given vDSO image has no room in place of the kernel's"
		}
		return &errUnreflected{reason: reason, err: unix.Errno(-status)}
	}
	// A mapping of a file is in the program's cores only once something was written to it
	// (vma_dump_size), and debuggers need the image to walk out of it. What it begins with is not changed.
	t.ptrace(unix.PTRACE_POKETEXT, uintptr(r.base), elfBegin)
	return nil
}

// elfBegin is how a file for 64 bits begins: \x7fELF, class, order, version and system.
const elfBegin = 0x00010102464c457f

// call performs one system call in the tracee, by the instruction at insn, and
// returns what the kernel returned. Entry and exit are stopped at, because a
// single step would leave its mark on the program's SIGTRAP disposition
// (force_sig_info_to_task).
func (t *tracee) call(saved *unix.PtraceRegs, insn uint64, nr uint64, args ...uint64) (int64, error) {
	if err := t.enter(saved, insn, nr, args); err != nil {
		return 0, err
	}
	if err := t.resume(unix.PTRACE_SYSCALL, t.atSyscall); err != nil {
		return 0, err
	}
	return t.result()
}

// enter takes the tracee to the entry of a call.
func (t *tracee) enter(saved *unix.PtraceRegs, insn, nr uint64, args []uint64) error {
	regs := *saved
	enterSyscall(&regs, insn, nr, args)
	if err := t.setRegs(&regs); err != nil {
		return t.lost(err)
	}
	return t.resume(unix.PTRACE_SYSCALL, t.atSyscall)
}

// result is what the call returned at whose exit the tracee is.
func (t *tracee) result() (int64, error) {
	var regs unix.PtraceRegs
	if err := t.getRegs(&regs); err != nil {
		return 0, t.lost(err)
	}
	return int64(regs.Rax), nil
}
