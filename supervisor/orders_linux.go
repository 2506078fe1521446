package supervisor

import (
	"encoding/binary"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/reflect"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

// This file hands images off that a program of the run traces: a thread has one tracer,
// so what a handoff needs of ptrace that tracer does for us, before it lets the image
// go on (shim/tracers.c).

// orders are the requests that a tracer in the run makes for us. It asks for each
// by a call that is notified, and tells the result of the last.
type orders struct {
	r      *run
	tracer int32  // its thread
	at     uint64 // struct order, in its memory
	id     uint64 // its call
	next   chan notification
	atExec bool // the tracee is at its exec event, whose exit is yet to come
}

// execed is an image that waits for its handoff.
type execed struct {
	nr   int32
	from departure
}

// Offsets in struct order.
const (
	orderRequest, orderAddr, orderData = 0, 8, 16
	orderResult                        = 24
	orderRoom                          = 32
	orderRoomSize                      = 28 * 8
)

var errTracerGone = errors.New("its tracer is gone")

// leaveToTracer lets an exec go on whose caller another program of the run traces, and
// reports whether there is one that can hand it off.
func (r *run) leaveToTracer(n *notification) bool {
	pid := threadGroup(int(n.pid))
	tracer, err := statusField(int(n.pid), "TracerPid")
	if err != nil || pid == 0 || !r.hasShim(tracer) {
		return false
	}
	r.mu.Lock()
	r.execed[pid] = execed{n.nr, r.depart(&tracee{tid: int(n.pid), pid: pid})}
	r.mu.Unlock()
	sendNotif(r.listener, &response{id: n.id, flags: flagContinue})
	return true
}

// hasShim reports whether our image is in a process: its link page says where it is.
func (r *run) hasShim(pid int) bool {
	var self [8]byte
	mem := reflect.Process{TID: pid}
	n, err := mem.Read(r.base+vdsoshim.LinkOff+8*vdsoshim.LinkSelf, self[:])
	return err == nil && n == len(self) && binary.LittleEndian.Uint64(self[:]) == r.base
}

// take serves a tracer's call: its first one for a tracee begins the handoff.
func (r *run) take(n *notification) {
	pid := int(n.args[2])
	r.mu.Lock()
	o := r.obeying[int32(n.pid)]
	image, waits := r.execed[pid]
	if o == nil && waits {
		delete(r.execed, pid)
		o = &orders{r: r, tracer: int32(n.pid), at: n.args[1], id: n.id, next: make(chan notification, 1)}
		r.obeying[o.tracer] = o
		r.mu.Unlock()
		r.handoffs.Add(1)
		go func() {
			defer r.handoffs.Add(-1)
			o.handOff(pid, image)
		}()
		return
	}
	r.mu.Unlock()
	if o == nil {
		sendNotif(r.listener, &response{id: n.id})
		return
	}
	o.next <- *n
}

// handOff is run.handOff for the image of a tracee that is stopped for its tracer, at its exec
// event or behind it.
func (o *orders) handOff(pid int, image execed) {
	r := o.r
	t := &tracee{tid: pid, pid: pid, by: o}
	defer func() {
		r.mu.Lock()
		delete(r.obeying, o.tracer)
		r.mu.Unlock()
		sendNotif(r.listener, &response{id: o.id}) // there are no more
	}()
	var info [16]byte
	if o.request(unix.PTRACE_GETSIGINFO, 0, 0, info[:]) == nil {
		code := int32(binary.LittleEndian.Uint32(info[8:]))
		o.atExec = code>>8 == unix.PTRACE_EVENT_EXEC
	}
	if !r.settle(t, image.from, image.nr, false) || t.dead {
		return
	}
	if t.sigstop {
		unix.Tgkill(pid, pid, unix.SIGSTOP)
	}
	if !o.atExec && t.entered {
		// The exit of the routine's last call would be one more than there are natively.
		// That of the exec it stands for.
		t.resume(unix.PTRACE_SYSCALL, t.atSyscall)
	}
}

// request has one made. What data points to is read and written if buf is not nil.
func (o *orders) request(request int, addr, data uint64, buf []byte) error {
	var b [orderRoom]byte
	le := binary.LittleEndian
	le.PutUint64(b[orderRequest:], uint64(request))
	le.PutUint64(b[orderAddr:], addr)
	le.PutUint64(b[orderData:], data)
	if buf != nil {
		le.PutUint64(b[orderData:], o.at+orderRoom)
	}
	mem := reflect.Process{TID: int(o.tracer)}
	if _, err := mem.Write(o.at, b[:]); err != nil {
		return errTracerGone
	}
	room := make([]byte, len(buf), orderRoomSize)
	copy(room, buf)
	if len(room) > 0 {
		if _, err := mem.Write(o.at+orderRoom, room); err != nil {
			return errTracerGone
		}
	}
	if sendNotif(o.r.listener, &response{id: o.id, val: 1}) != 0 {
		return errTracerGone
	}
	if err := o.await(); err != nil {
		return err
	}
	if _, err := mem.Read(o.at+orderResult, b[:8]); err != nil {
		return errTracerGone
	}
	if len(buf) > 0 {
		if _, err := mem.Read(o.at+orderRoom, buf); err != nil {
			return errTracerGone
		}
	}
	if result := int64(le.Uint64(b[:])); result < 0 {
		return unix.Errno(-result)
	}
	return nil
}

// await waits for the tracer's next call.
func (o *orders) await() error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case n := <-o.next:
			o.id = n.id
			return nil
		case <-tick.C:
			if threadGroup(int(o.tracer)) == 0 {
				return errTracerGone
			}
		}
	}
}

// wait waits until the tracee stops or dies.
func (o *orders) wait(t *tracee) error {
	var status [4]byte
	if err := o.request(0, 0, 0, status[:]); err != nil {
		t.dead = true
		return errGone
	}
	t.stop = unix.WaitStatus(binary.LittleEndian.Uint32(status[:]))
	if t.stop.Exited() || t.stop.Signaled() {
		t.dead = true
		return errGone
	}
	return nil
}

// atRoutinesEnd reports whether a tracee is about to make the call that ends the shim's
// routine, which nothing else stops at where its tracer did not ask for that.
func (t *tracee) atRoutinesEnd(base uint64) bool {
	var regs unix.PtraceRegs
	if !t.atSyscall() || t.getRegs(&regs) != nil || regs.Rip != base+vdsoshim.GateOff+syscallInsn {
		return false
	}
	nr := int32(regs.Orig_rax)
	t.entered = nr == unix.SYS_EXECVE || nr == unix.SYS_EXECVEAT
	return t.entered
}
