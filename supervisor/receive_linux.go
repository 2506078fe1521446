package supervisor

import (
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// maxReceivers bounds the threads that serve one run. Each handoff occupies one
// for some hundred microseconds; where all but one are occupied, more wait their turn. Those are not
// counted that are stuck in a call: they may wait for others, and there are no more of them than
// threads that call.
const maxReceivers = 48

// start begins to serve. Each receiver is an OS thread of its own that blocks
// in SECCOMP_IOCTL_NOTIF_RECV itself: polling first would lengthen the time in
// which a signal without SA_RESTART interrupts the call. A run begins with one; many
// programs need no more.
func (r *run) start() {
	r.giveWay()
	if r.receivers.Load() == 0 {
		r.spawn(nil)
	}
}

// spawn adds a receiver that leads, or if it is given a notification, serves that. False
// means that there are enough. Whoever sees one in the count of receivers can wait for it.
func (r *run) spawn(first *notification) bool {
	r.done.Add(1)
	if r.receivers.Add(1) > maxReceivers+r.lead.slow.Load() {
		r.receivers.Add(-1)
		r.done.Done()
		return false
	}
	go r.receive(first)
	return true
}

// over reports that nothing is to be received any more.
func (r *run) over() bool {
	// A handoff under way needs a receiver to the end, and a call that takes long may.
	return r.hungUp.Load() || r.closing.Load() && r.handoffs.Load() == 0 && r.lead.slow.Load() == 0
}

func (r *run) receive(first *notification) {
	defer r.done.Done()
	defer r.receivers.Add(-1)
	tid := unix.Gettid()
	r.enlist(tid, true)
	s, locked := newServer(r), false
	defer func() {
		r.enlist(tid, false)
		if locked && r.hungUp.Load() {
			runtime.UnlockOSThread() // there are no tracees any more, and to end a thread costs time
		}
	}()
	s.leads = first == nil
	var y yielder
	for {
		e := unix.Errno(0)
		if first != nil {
			s.n, first = *first, nil
		} else {
			if s.leads = s.leads || r.lead.join() || r.lead.follow(r.over); !s.leads {
				return
			}
			if r.over() {
				r.lead.resign() // an exec may just have been received by another
				r.lead.stir()
				return
			}
			e = recvNotif(r.listener, &s.n)
		}
		if !locked && e != unix.ENOENT {
			// Many programs make no call at all. To lock a thread takes another one:
			// the runtime's, from which it then starts all further threads.
			lockThread()
			locked = true
			if now := unix.Gettid(); now != tid {
				r.enlist(tid, false)
				tid = now
				r.enlist(tid, true)
			}
		}
		switch e {
		case 0:
		case unix.EINTR:
			continue
		case unix.ENOENT:
			// The caller was killed before we took its call, or no process is
			// left at all.
			if r.nobody() {
				r.hungUp.Store(true)
				r.lead.resign()
				r.lead.stir()
				return
			}
			continue
		default:
			if !r.closing.Load() {
				r.miss("notifications could not be received: "+e.Error(), "")
			}
			r.lead.resign()
			return
		}
		if !s.isExec() {
			caller := s.n.pid
			s.serve()
			s.leads = s.leads && r.lead.called(caller)
			y.served()
			continue
		}
		if h := r.handingOff(s.n.pid); h != nil {
			h.give(&s.n) // somebody's handoff waits for this
			continue
		}
		r.handoffs.Add(1)
		r.lead.exec()
		if !r.engage(&s.n) {
			continue
		}
		for more := true; more; more = r.next(&s.n) {
			r.handing.enter(s.handOn) // an exec that is handed off may need who receives
			s.serveExec()
			r.handing.leave()
			r.handoffs.Add(-1)
			y.served()
		}
	}
}

// next takes an exec that was put off. If there is none, this receiver serves no exec
// any more.
func (r *run) next(n *notification) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		r.engaged--
		return false
	}
	*n = r.waiting[0]
	r.waiting = r.waiting[1:]
	return true
}

// nobody reports whether the last process under the filter is gone.
func (r *run) nobody() bool {
	p := []unix.PollFd{{Fd: int32(r.listener), Events: unix.POLLIN}}
	_, err := unix.Poll(p, 0)
	return err == nil && p[0].Revents&unix.POLLHUP != 0
}

// stop ends the receivers and releases what the run holds. On kernels before 6.6 those that wait in RECV don't
// notice that the last process is gone; closing the listener wakes nobody
// either, so they are interrupted by a signal that the runtime ignores.
func (r *run) stop() {
	r.stopReceivers()
	if r.tracer != nil {
		<-r.tracer.finished
	}
	r.giveWayNoMore()
	unix.Close(r.listener)
	if r.patching != nil {
		r.patching.patcher.Close()
	}
	r.region.close()
}

func (r *run) stopReceivers() {
	r.closing.Store(true)
	r.lead.stir()
	if r.receivers.Load() == 0 {
		return // as it is on Linux >= 6.6, where they saw the end themselves
	}
	gone := make(chan struct{})
	go func() {
		r.done.Wait()
		close(gone)
	}()
	undo := func() {}
	defer func() { undo() }()
	for wait := time.Duration(0); ; wait = min(2*wait+time.Millisecond, 20*time.Millisecond) {
		select {
		case <-gone:
		case <-time.After(wait): // one that was not yet in RECV misses it
			if wait == 0 {
				undo = interruptible()
			}
			r.interrupt(wait >= 10*time.Millisecond)
			continue
		}
		break
	}
}

// interrupt sends SIGURG to the receivers' threads; to all threads, if a receiver that
// was not locked to its thread yet may have moved to another meanwhile.
func (r *run) interrupt(all bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	tids := slices.Collect(maps.Keys(r.tids))
	if entries, err := os.ReadDir("/proc/self/task"); all && err == nil {
		tids = nil
		for _, e := range entries {
			if tid, err := strconv.Atoi(e.Name()); err == nil {
				tids = append(tids, tid)
			}
		}
	}
	for _, tid := range tids {
		unix.Tgkill(unix.Getpid(), tid, unix.SIGURG)
	}
}

// enlist notes a receiver's thread, or strikes it.
func (r *run) enlist(tid int, in bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if in {
		r.tids[tid] = struct{}{}
	} else {
		delete(r.tids, tid)
	}
}
