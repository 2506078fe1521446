package supervisor

import (
	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/vdsoshim"
)

// A visit attaches to a thread whose call waits for its answer, so that it can
// make calls for us. It is answered with ERESTARTNOINTR, which no program sees: the
// thread stops on its way out, and makes its call again when we let it go.
type visit struct {
	r        *run
	n        *notification
	waits    func()  // is called before it waits for others
	t        *tracee // attached, stopped, and ready for calls; nil if not
	saved    unix.PtraceRegs
	mask     uint64
	tried    bool
	answered bool
	holds    bool // run.handing: a thread that is attached waits for us, and nobody else sees that
}

// restartNoIntr is ERESTARTNOINTR (linux/errno.h), an answer that the kernel takes
// from a supervisor as it would from a system call.
const restartNoIntr = 513

// attach attaches, once, and tells whether the thread is held.
func (v *visit) attach() bool {
	if !v.tried {
		v.tried = true
		v.begin()
	}
	return v.t != nil
}

// mmap maps memory for stubs, at an address or not at all.
func (v *visit) mmap(addr, size uint64) bool {
	if !v.attach() {
		return false
	}
	got, err := v.t.call(&v.saved, v.r.base+vdsoshim.GateOff, unix.SYS_MMAP, addr, size, unix.PROT_READ|unix.PROT_EXEC,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE, ^uint64(0), 0)
	if err != nil {
		v.t = nil // gone
		return false
	}
	return uint64(got) == addr
}

// begin attaches. A thread that can't be attached to, as one that has a debugger,
// waits on as before.
func (v *visit) begin() {
	v.r.handing.enter(v.waits)
	v.holds = true
	t, err := seize(int(v.n.pid), ptraceOptions)
	if err != nil {
		return
	}
	if !notifValid(v.r.listener, v.n.id) {
		v.r.letGo(t)
		return
	}
	if ptraceRequest(unix.PTRACE_INTERRUPT, t.tid, 0, 0) != nil {
		t.lost(unix.ESRCH)
		return
	}
	sendNotif(v.r.listener, &response{id: v.n.id, err: -restartNoIntr})
	v.answered = true
	if t.wait() != nil {
		return
	}
	// Stopped for another reason, its group's for one, it is left alone: the call
	// is made again in any case.
	if t.event() != unix.PTRACE_EVENT_STOP || t.stop.StopSignal() != unix.SIGTRAP ||
		unix.PtraceGetRegs(t.tid, &v.saved) != nil || int64(v.saved.Rax) != -restartNoIntr {
		t.detach()
		return
	}
	all := ^uint64(0)
	if ptraceSigmask(ptraceGetSigmask, t.tid, &v.mask) != nil || ptraceSigmask(ptraceSetSigmask, t.tid, &all) != nil {
		t.lost(unix.ESRCH)
		return
	}
	v.t = t
}

// end lets the thread go, at its call.
func (v *visit) end() {
	if v.holds {
		defer v.r.handing.leave()
		v.holds = false
	}
	t := v.t
	if t == nil {
		return
	}
	v.saved.Rip -= syscallInsn
	v.saved.Rax, v.saved.Orig_rax = v.saved.Orig_rax, noSyscall
	if err := unix.PtraceSetRegs(t.tid, &v.saved); err != nil {
		t.lost(err)
		return
	}
	if err := ptraceSigmask(ptraceSetSigmask, t.tid, &v.mask); err != nil {
		t.lost(err)
		return
	}
	t.detach()
}
