package supervisor

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// unseizable answers an exec whose caller we can't attach to.
func (r *run) unseizable(n *notification, err error) {
	if !notifValid(r.listener, n.id) {
		return // gone, which is what ESRCH says too
	}
	if r.signals && errors.Is(err, unix.EPERM) && r.leaveToTracer(n) {
		return
	}
	reason := "the process can't be attached to"
	if errors.Is(err, unix.EPERM) {
		reason = "the process has a tracer of its own, or is another user's"
	}
	if r.plan.Strict || r.tracer != nil || r.signals {
		r.miss(reason+": exec refused", fmt.Sprintf("process %d", n.pid))
		sendNotif(r.listener, &response{id: n.id, err: -int32(unix.EACCES)})
		return
	}
	r.miss(reason, fmt.Sprintf("process %d", n.pid))
	r.loose.Store(true)
	if r.first.CompareAndSwap(int32(n.pid), 0) {
		close(r.ran)
	}
	sendNotif(r.listener, &response{id: n.id, flags: flagContinue})
}

// missImage notes that an image runs without the shim. What the filter notifies
// is served all the same.
func (r *run) missImage(t *tracee, err error) {
	reason := err.Error()
	var unreflected *errUnreflected
	if errors.As(err, &unreflected) && unreflected.served && !r.signals {
		r.count(reason, t.String()+exeName(t.pid))
		return
	}
	// Nothing would handle the SIGSYS of its first trapped call.
	doomed := r.signals && unreflected != nil && !unreflected.foreign
	if r.plan.Strict || doomed {
		unix.Kill(t.pid, unix.SIGKILL)
		reason += ": killed"
	}
	r.miss(reason, t.String()+exeName(t.pid))
}

// miss counts something that could not be served, and warns of each reason once.
func (r *run) miss(reason, example string) {
	if r.count(reason, example) {
		r.tell(reason, example)
	}
}

// tell warns of a reason.
func (r *run) tell(reason, example string) {
	if r.warn == nil {
		return
	}
	if example != "" {
		reason += " (" + example + ")"
	}
	r.warn(reason)
}

// count counts a reason, and reports whether it is new.
func (r *run) count(reason, example string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.missed[reason]
	if m == nil {
		m = &Missed{Reason: reason, Example: example}
		r.missed[reason] = m
		r.missOrder = append(r.missOrder, reason)
	}
	m.Count++
	return m.Count == 1
}
