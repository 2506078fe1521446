package supervisor

import (
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/reflect"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

// An entry is one rule, ready to be served and counted.
type entry struct {
	rule    *policy.Rule
	handler reflect.Handler
	long    takes
	data    uint32 // by which the filter names the rule to a tracer
	// kernel counts calls that were handed back to the kernel.
	count, errs, kernel, nanos atomic.Uint64
}

// takes is how long a handler may take.
type takes uint8

const (
	takesNothing  takes = iota // it touches nothing but its own
	takesMemory                // it waits for the caller's memory, seldom
	takesAnything              // it is the user's
)

func constant(v int64, e unix.Errno) reflect.Handler {
	return reflect.HandlerFunc(func(*reflect.Call) reflect.Result { return reflect.Result{Value: v, Errno: e} })
}

// leave hands every call to the kernel, and has it counted.
var leave = reflect.HandlerFunc(func(*reflect.Call) reflect.Result { return reflect.Result{Continue: true} })

// A server is one receiver's working memory: serving allocates nothing.
type server struct {
	r    *run
	n    notification
	call reflect.Call
	mem  taskMemory
	resp response
	// traced means that the call is no notification: its thread is stopped for us,
	// and n holds what the two have in common.
	traced bool
	// leads means that this receiver is the one to receive next, unless that is taken from
	// it while what it serves is marked.
	leads  bool
	mark   mark
	marked bool
	// waited are calls that waited for the patch of the site that ends at patched.
	waited  []notification
	patched uint64
}

func newServer(r *run) *server {
	s := &server{r: r}
	s.mem.s = s
	s.call.Mem = &s.mem
	return s
}

func (s *server) isExec() bool {
	return s.n.arch == unix.AUDIT_ARCH_X86_64 && (s.n.nr == unix.SYS_EXECVE || s.n.nr == unix.SYS_EXECVEAT) && !s.tells()
}

// match finds the rule that the call meets.
func (s *server) match() *entry {
	if s.n.arch != unix.AUDIT_ARCH_X86_64 || uint32(s.n.nr) >= tableSize {
		return nil
	}
	first := int(s.r.table[s.n.nr]) - 1
	if first < 0 {
		return nil
	}
next:
	for k := first; k < len(s.r.entries) && s.r.entries[k].rule.Nr == int(s.n.nr); k++ {
		e := &s.r.entries[k]
		for i := range e.rule.Conds {
			if !e.rule.Conds[i].Holds(&s.n.args) {
				continue next
			}
		}
		return e
	}
	return nil
}

// serve answers any call but an exec, and then those that waited for its patch. Of these
// the ones from its site need no other, mostly.
func (s *server) serve() {
	for s.serveOne(true); len(s.waited) > 0; {
		s.n, s.waited = s.waited[0], s.waited[1:]
		s.serveLater(s.n.ip != s.patched)
	}
}

func (s *server) serveOne(patches bool) {
	if s.tells() {
		switch s.n.args[0] {
		case vdsoshim.TracedPath:
			s.handOn()
			s.askTraced()
		case vdsoshim.OrdersPath:
			s.handOn()
			s.r.take(&s.n)
		default:
			s.learn(patches)
		}
		return
	}
	s.resp = response{id: s.n.id, flags: flagContinue}
	ours := int32(s.n.pid) == s.r.first.Load() || // before its program runs
		s.r.handingOff(s.n.pid) != nil
	if !ours {
		if e := s.match(); e != nil {
			if patches && s.patch() { // first: the call may have to be made again
				return
			}
			s.apply(e)
		}
	}
	sendNotif(s.r.listener, &s.resp) // ENOENT: the caller was killed meanwhile
}

// serveExec answers an execve or execveat.
func (s *server) serveExec() {
	if r := s.r; r.plan.Strict || r.signals || r.streams != nil || r.tracer != nil {
		s.handOn() // files are looked at, or other processes asked
	}
	if int32(s.n.pid) != s.r.first.Load() {
		if e := s.match(); e != nil && e.handler != nil {
			s.resp = response{id: s.n.id, flags: flagContinue}
			s.handOn()
			if s.apply(e); s.resp.flags&flagContinue == 0 {
				sendNotif(s.r.listener, &s.resp)
				return
			}
		}
	}
	if t := s.r.tracer; t != nil {
		if t.has(int(s.n.pid)) {
			t.passExec(s)
			return
		}
		t.escaped(int(s.n.pid))
	}
	if s.r.handoffs.Load() > 1 || s.r.loose.Load() {
		s.begin() // one of the same process may be under way, for which attaching waits
		defer s.end()
	}
	s.r.exec(&s.n, s.handOn)
}

// vsyscallPage is the number of the page at which old programs call the kernel for time,
// gettimeofday and getcpu. There a bad pointer is SIGSEGV and not EFAULT, for which the
// kernel has to see it (emulate_vsyscall).
const vsyscallPage = 0xffffffffff600

// apply lets the rule's handler answer, and counts.
func (s *server) apply(e *entry) {
	if e.handler == nil {
		return
	}
	var begin time.Time
	if s.r.timed {
		begin = time.Now()
	}
	c := &s.call
	c.Nr, c.Arch, c.IP, c.Args, c.TID = s.n.nr, s.n.arch, s.n.ip, s.n.args, int(s.n.pid)
	s.mem.reset()
	res := s.ask(e)
	e.count.Add(1)
	switch {
	case s.mem.unreachable != 0:
		s.miss("a process's memory can't be reached, its calls go to the kernel: "+s.mem.unreachable.Error(),
			"process "+strconv.Itoa(int(s.n.pid)))
		e.kernel.Add(1)
	case res.Continue || res.Errno == unix.EFAULT && e.long == takesMemory && s.n.ip>>12 == vsyscallPage:
		e.kernel.Add(1)
	case res.Errno != 0:
		s.resp.flags, s.resp.err = 0, -int32(res.Errno)
		e.errs.Add(1)
	default:
		s.resp.flags, s.resp.val = 0, res.Value
	}
	if s.r.timed {
		e.nanos.Add(uint64(time.Since(begin)))
	}
}

// ask has the rule's handler answer, and sees to it that others are served meanwhile.
func (s *server) ask(e *entry) reflect.Result {
	switch {
	case !s.leads:
	case e.long == takesMemory:
		s.begin()
		defer s.end()
	case e.long == takesAnything:
		s.handOn()
	}
	return e.handler.Serve(&s.call)
}

// begin notes, if this receiver leads, that what follows may take long, up to end. If it
// does, another leads.
func (s *server) begin() {
	if s.leads {
		s.mark, s.marked = s.r.lead.begin(), true
	}
}

func (s *server) end() {
	if s.marked {
		s.marked = false
		s.leads = s.r.lead.end(s.mark)
	}
}

// handOn lets another receiver lead, if this one does.
func (s *server) handOn() {
	if s.end(); s.leads {
		s.leads = false
		s.r.lead.handOn()
	}
}

// miss is run.miss. Who is to read a warning may wait for us.
func (s *server) miss(reason, example string) {
	if s.r.count(reason, example) {
		s.handOn()
		s.r.tell(reason, example)
	}
}

// taskMemory is the memory of the thread whose call is served.
type taskMemory struct {
	s           *server
	mem         reflect.Process
	checked     bool
	unreachable unix.Errno
}

func (m *taskMemory) reset() { m.checked, m.unreachable = false, 0 }

// reach makes sure that the thread id still means the caller: it may have been
// killed, and the id given away, since the notification was received.
func (m *taskMemory) reach() error {
	if !m.checked {
		if m.s.n.pid == 0 {
			m.unreachable = unix.ESRCH
			return unix.ESRCH
		}
		if !m.s.waiting() {
			return unix.ESRCH // nobody waits for the answer
		}
		m.mem.TID = int(m.s.n.pid)
		m.checked = true
	}
	return nil
}

// waiting reports whether the caller still waits for its answer. One that is
// stopped for its tracer does, but for its end, and keeps its id until the tracer
// has collected it.
func (s *server) waiting() bool { return s.traced || notifValid(s.r.listener, s.n.id) }

func (m *taskMemory) note(err error) {
	if err == nil || err == unix.EFAULT {
		return
	}
	if e, ok := err.(unix.Errno); ok && e != unix.ESRCH {
		m.unreachable = e
	}
}

func (m *taskMemory) Read(addr uint64, p []byte) (int, error) {
	if err := m.reach(); err != nil {
		return 0, err
	}
	n, err := m.mem.Read(addr, p)
	m.note(err)
	return n, err
}

func (m *taskMemory) Write(addr uint64, p []byte) (int, error) {
	if err := m.reach(); err != nil {
		return 0, err
	}
	n, err := m.mem.Write(addr, p)
	m.note(err)
	return n, err
}

// exeName is the executable of a process, for messages.
func exeName(pid int) string {
	name, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	if err != nil {
		return ""
	}
	return ", " + name
}

func isHandoffCall(name string) bool { return slices.Contains(policy.HandoffCalls, name) }
