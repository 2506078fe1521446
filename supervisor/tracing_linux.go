package supervisor

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/reflect"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

// This file is about programs that trace others while a handler of SIGSYS serves
// calls: see shim/tracers.c.

// askTraced answers a process that asks to be traced: whether that is put off until it
// has executed something, and whether it has no tracer yet.
func (s *server) askTraced() {
	s.resp = response{id: s.n.id}
	pid := int(s.n.pid)
	if s.sharesMemory(pid) {
		if fd, err := unix.PidfdOpen(pid, 0); err == nil {
			s.r.mu.Lock()
			for old, pidfd := range s.r.askers {
				if old == pid || unix.PidfdSendSignal(pidfd, 0, nil, 0) != nil {
					unix.Close(pidfd)
					delete(s.r.askers, old)
				}
			}
			s.r.askers[pid] = fd
			s.r.mu.Unlock()
			s.resp.val = vdsoshim.TracedLater
		}
	} else if tracer, err := statusField(pid, "TracerPid"); err == nil && tracer == 0 {
		s.resp.val = vdsoshim.TracedNow
	}
	sendNotif(s.r.listener, &s.resp)
}

// sharesMemory reports whether a process runs in its parent's memory, as a child of
// vfork does: what it has just written stands there too.
func (s *server) sharesMemory(pid int) bool {
	parent, err := statusField(pid, "PPid")
	if err != nil || parent == 0 {
		return false
	}
	var mark [8]byte
	mem := reflect.Process{TID: parent}
	n, err := mem.Read(s.n.args[1], mark[:])
	return err == nil && n == len(mark) && binary.LittleEndian.Uint64(mark[:]) == s.n.args[2]
}

// beginTraced has a fresh image, which is still stopped for us, ask to be traced if its
// program asked for that. Nobody traces it once we let go, so the signal goes straight
// to the shim's handler.
func (r *run) beginTraced(t *tracee, handed bool) {
	r.mu.Lock()
	fd, asked := r.askers[t.pid]
	delete(r.askers, t.pid)
	r.mu.Unlock()
	if !asked {
		return
	}
	defer unix.Close(fd)
	if !handed {
		r.miss("a program that asked to be traced runs without the shim: untraced", t.String()+exeName(t.pid))
		return
	}
	info := unix.Siginfo{Signo: int32(unix.SIGSYS), Code: -vdsoshim.TracemeCode}
	if err := unix.PidfdSendSignal(fd, unix.SIGSYS, &info, 0); err != nil {
		r.miss("a program that asked to be traced runs untraced: "+err.Error(), t.String()+exeName(t.pid))
	}
}
