package meter

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/experiment/results"
)

// A Way is what a call is made by; src/ways.h has the same list.
type Way uint32

// The ways.
const (
	Loop     Way = iota // nothing: the loop around a system call
	CallLoop            // nothing: the loop around a function
	Getppid
	Getuid
	Getgid
	Getrandom
	ClockGettime
	VDSOGetrandom
	VDSOClockGettime
	VDSONull // gettimeofday of nothing: a vDSO function with nothing to do
	LibcGetrandom
	LibcClockGettime
	LibcGetppid
	LibcGetuid
	OwnGetrandom // a generator in the meter itself that follows the exported counter
	Signal       // tgkill of itself, with a handler that returns
	NoSignal     // tgkill with signal 0
	Switch       // a byte to another process and back
	NoSwitch     // the same calls with nobody else
	NoCall       // a number that no call has: into the kernel and out of it
)

type operation uint32

const (
	opPin operation = iota
	opClock
	opHave
	opWindow
	opLatency
	opSpawn
	opFork
	opTogether
	opSelf
	opEnd // has no answer
)

// command and answer are meter.c's structures.
type command struct {
	Operation           operation
	Way                 Way
	Calls, Bytes, Value int64
	Threads, Payload    uint32
	Parts, _            uint32
}

type answer struct {
	Status        int64
	Cycles, Value uint64
	Returned      int64
	Payload       uint64
	Waited, Pulse uint64
	Calls         uint64
}

// end tells the meter to end.
func (m *Meter) end() {
	m.buf.Reset()
	binary.Write(&m.buf, binary.LittleEndian, &command{Operation: opEnd})
	m.to.Write(m.buf.Bytes()) // one that has ended already needs no telling
	m.to.Close()
}

// ask sends a command and reads the answer. A meter that says nothing for long is
// one that hangs.
func (m *Meter) ask(c command, payload []byte, patience time.Duration) (a answer, back []byte, err error) {
	c.Payload = uint32(len(payload))
	m.buf.Reset()
	binary.Write(&m.buf, binary.LittleEndian, &c)
	m.buf.Write(payload)
	if _, err := m.to.Write(m.buf.Bytes()); err != nil {
		return a, nil, m.lost(err)
	}
	raw := make([]byte, binary.Size(&a))
	if err := m.read(raw, patience); err != nil {
		return a, nil, m.lost(err)
	}
	if _, err := binary.Decode(raw, binary.LittleEndian, &a); err != nil {
		return a, nil, err
	}
	if a.Payload > 0 {
		back = make([]byte, a.Payload)
		if err := m.read(back, patience); err != nil {
			return a, nil, m.lost(err)
		}
	}
	return a, back, nil
}

// read waits for the answer on the calling thread: a meter on the same processor then goes
// on when that sleeps, and the thread when the meter does. By the runtime's poller it would be
// other threads, on other processors, which have to wake up first.
func (m *Meter) read(into []byte, patience time.Duration) error {
	p := []unix.PollFd{{Fd: int32(m.from.Fd()), Events: unix.POLLIN}}
	for end := time.Now().Add(patience); len(into) > 0; {
		switch n, err := unix.Poll(p, int(patience.Milliseconds())); {
		case err == unix.EINTR && time.Now().Before(end):
			continue
		case err != nil:
			return err
		case n == 0:
			return os.ErrDeadlineExceeded
		}
		n, err := unix.Read(int(p[0].Fd), into)
		switch {
		case err == unix.EINTR || err == unix.EAGAIN:
			continue
		case err != nil:
			return err
		case n == 0:
			return io.EOF
		}
		into = into[n:]
	}
	return nil
}

const patience = 20 * time.Second

// Pin keeps the meter on one processor.
func (m *Meter) Pin(cpu int) error {
	a, _, err := m.ask(command{Operation: opPin, Value: int64(cpu)}, nil, patience)
	if err == nil && a.Status != 0 {
		err = fmt.Errorf("sched_setaffinity: %w", unix.Errno(-a.Status))
	}
	return err
}

// A Moment is the time stamp counter's value at a time: between TSC and TSC + Width.
type Moment struct {
	TSC, Width uint64
	Nanosecond int64 // CLOCK_MONOTONIC_RAW
}

// Clock reads both.
func (m *Meter) Clock() (Moment, error) {
	a, _, err := m.ask(command{Operation: opClock}, nil, patience)
	if err == nil && a.Status != 0 {
		err = fmt.Errorf("%s: clock_gettime(CLOCK_MONOTONIC_RAW) failed", m.Name)
	}
	return Moment{a.Value, a.Cycles, a.Returned}, err
}

// Frequency is the counter's, in Hz, from two moments, and how wrong it may be,
// relative.
func Frequency(begin, end Moment) (hz, err float64) {
	ns := float64(end.Nanosecond - begin.Nanosecond)
	return float64(end.TSC-begin.TSC) / ns * 1e9, float64(begin.Width+end.Width) / float64(end.TSC-begin.TSC)
}

// Have reports whether the meter has a way: a function may not be there.
func (m *Meter) Have(w Way) (bool, error) {
	a, _, err := m.ask(command{Operation: opHave, Way: w}, nil, patience)
	return a.Status == 0, err
}

// Window makes calls and returns how many cycles they took, all together, and what
// the last one returned.
func (m *Meter) Window(w Way, calls, bytes int) (cycles uint64, returned int64, err error) {
	a, _, err := m.ask(command{Operation: opWindow, Way: w, Calls: int64(calls), Bytes: int64(bytes)}, nil, patience)
	if err == nil && a.Status != 0 {
		err = fmt.Errorf("%s: a call returned %d", m.Name, a.Returned)
	}
	return a.Cycles, a.Returned, err
}

// A Sample is a window with what stood around it, in cycles.
type Sample struct {
	Cycles uint64 // of the window
	Around uint64 // of calls to warm up, and of pulses
	Waited uint64 // of these for the core
	Calls  uint64 // in all
	// Pulse is the slowest one of the pulses before and after the window's parts: a loop that takes
	// half as long again where another thread uses the same core, however little of it (pulse.h:
	// in units of 1/4096 of what a chain takes, whatever the frequency).
	Pulse uint64
}

// Sample is Window in so many parts, before which the meter warms up until a pulse is no longer
// than quiet, in units of pulse.h. Parts beside which one is longer are made again. It all waits
// hardly longer than so many cycles.
func (m *Meter) Sample(w Way, calls, bytes, parts int, quiet uint64, longest uint32) (Sample, error) {
	a, _, err := m.ask(command{Operation: opWindow, Way: w, Calls: int64(calls), Bytes: int64(bytes), Value: int64(quiet), Threads: longest,
		Parts: uint32(parts)}, nil, patience)
	if err == nil && a.Status != 0 {
		err = fmt.Errorf("%s: a call returned %d", m.Name, a.Returned)
	}
	return Sample{a.Cycles, a.Value, a.Waited, a.Calls, a.Pulse}, err
}

// Latency makes calls, each timed by itself, for at most so many cycles, and
// returns a histogram of cycles, less what reading the counter takes of each.
func (m *Meter) Latency(w Way, calls, bytes int, cycles uint64, reading uint32) (*results.Histogram, error) {
	a, back, err := m.ask(command{Operation: opLatency, Way: w, Calls: int64(calls), Bytes: int64(bytes), Value: int64(cycles),
		Threads: reading}, nil, patience)
	if err != nil {
		return nil, err
	}
	if a.Status != 0 || len(back) != 4*results.Buckets {
		return nil, fmt.Errorf("%s: status %d, %d bytes of buckets", m.Name, a.Status, len(back))
	}
	h := &results.Histogram{Scale: 1}
	for i := range results.Buckets {
		if n := binary.LittleEndian.Uint32(back[4*i:]); n > 0 {
			h.Add(i, uint64(n))
		}
	}
	return h, nil
}

// Self is the meter's own process, which is not that of what it runs under.
func (m *Meter) Self() (pid int, err error) {
	a, _, err := m.ask(command{Operation: opSelf}, nil, patience)
	return int(a.Value), err
}

// Spawn has the meter start a program and wait for it, and returns the cycles from
// before vfork until after wait4.
func (m *Meter) Spawn(argv ...string) (cycles uint64, err error) {
	payload := []byte(strings.Join(argv, "\x00") + "\x00\x00")
	a, _, err := m.ask(command{Operation: opSpawn}, payload, patience)
	return a.Cycles, m.waited(a, err, argv[0])
}

// Fork has it fork a child that exits, and wait for it.
func (m *Meter) Fork() (cycles uint64, err error) {
	a, _, err := m.ask(command{Operation: opFork}, nil, patience)
	return a.Cycles, m.waited(a, err, "fork")
}

func (m *Meter) waited(a answer, err error, what string) error {
	status := unix.WaitStatus(a.Status)
	switch {
	case err != nil:
		return err
	case a.Status < 0:
		return fmt.Errorf("%s: %s: %w", m.Name, what, unix.Errno(-a.Status))
	case !status.Exited() || status.ExitStatus() != 0:
		return fmt.Errorf("%s: %s: wait status %#x", m.Name, what, a.Status)
	}
	return nil
}

// Together has n threads make calls at the same time for a while, and returns how
// many calls were made in how many cycles. n must not be less than before.
func (m *Meter) Together(w Way, bytes, n int, while time.Duration) (cycles, calls uint64, err error) {
	a, _, err := m.ask(command{Operation: opTogether, Way: w, Bytes: int64(bytes), Threads: uint32(n), Value: int64(while)}, nil, patience+10*while)
	if err == nil && a.Status != 0 {
		err = fmt.Errorf("%s: %d threads: status %d", m.Name, n, a.Status)
	}
	return a.Cycles, a.Value, err
}

// limited keeps the beginning of what is written to it, from another goroutine.
type limited struct {
	mu   sync.Mutex
	text []byte
}

func (l *limited) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if room := 4096 - len(l.text); room > 0 {
		l.text = append(l.text, p[:min(room, len(p))]...)
	}
	return len(p), nil
}

func (l *limited) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}
