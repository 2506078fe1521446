package supervisor

import (
	"encoding/binary"
	"math"
	"sync"

	"github.com/sysreflect/sysreflect/reflect"
)

// streams knows which process draws its random bytes from which stream, where
// they are deterministic (policy.Deterministic).
//
// Programs form a tree: each has a key that follows from the key of the program
// that executed it, from what was executed, and from how many times before; the
// first has the seed's. A program's first process draws from the program's own
// stream, and a process that it forks from one that follows from the order in
// which forked processes draw for the first time. Nothing depends on process ids
// or on time.
//
// All fields are guarded by mu, which is not held while a process is written to.
type streams struct {
	mu        sync.Mutex
	seed      reflect.StreamKey
	programs  map[uint64]*programStreams // by label, which each of its processes carries
	processes map[int]*processStream     // by process id, of those that were looked at
	threads   map[int]int                // thread id to process id, to be checked
	strays    *programStreams            // what executed a program that we know nothing of

	round    uint32 // of sweeping
	sweeping bool
	limit    int // sweep when there are more programs and processes than this
}

// A programStreams is one execution of a program.
type programStreams struct {
	Key   reflect.StreamKey
	Execs map[uint64]uint64 // how often it executed what, by the first bytes of the key
	Forks uint64            // forked processes that drew

	born uint32 // round of sweeping
	idle int    // rounds in which it had no process
}

// A processStream is a process that was looked at.
type processStream struct {
	Start   uint64          // when it began, which tells it from another with its id
	Label   uint64          // its program's
	Stream  *reflect.Stream // nil until it draws
	Pos     uint64          // bytes drawn
	program *programStreams
	born    uint32
}

const minSweep = 1024

func newStreams(seed string) *streams {
	root := reflect.RootKey(seed)
	return &streams{
		seed: root, programs: map[uint64]*programStreams{}, processes: map[int]*processStream{}, threads: map[int]int{},
		// No seed is derived like this, and no program counts so far.
		strays: &programStreams{Key: root.Fork(math.MaxUint64)}, limit: minSweep,
	}
}

// A departure is a process that is about to execute another program.
type departure struct {
	start   uint64
	program *programStreams // that it leaves; nil for the run's first process
}

// depart notes which program the caller of an exec runs, before that is gone.
func (s *streams) depart(pid int, first bool) (d departure) {
	st, err := readStat(pid)
	if err != nil {
		return departure{program: s.strays}
	}
	d.start = st.start
	if !first {
		s.mu.Lock()
		defer s.mu.Unlock()
		d.program = s.origin(pid, st)
	}
	return d
}

// arrive notes that a process executes another program, and returns the program's
// key.
func (s *streams) arrive(pid int, d departure, file, args []byte) reflect.StreamKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := s.seed
	if from := d.program; from != nil {
		key = from.Key.Exec(file, args, 0)
		id := binary.LittleEndian.Uint64(key[:])
		if from.Execs == nil {
			from.Execs = map[uint64]uint64{}
		}
		if n := from.Execs[id]; n > 0 {
			key = from.Key.Exec(file, args, n)
		}
		from.Execs[id]++
	}
	program := &programStreams{Key: key, born: s.round}
	label, stream := key.Label(), key.Stream()
	s.programs[label] = program
	s.processes[pid] = &processStream{Start: d.start, Label: label, Stream: &stream, program: program, born: s.round}
	s.grown()
	return key
}

// draw gives a process the next n bytes of its stream; valid is asked, when
// nothing can change any more, whether the call is still waited for.
func (s *streams) draw(tid int, n uint64, valid func() bool) (stream *reflect.Stream, pos uint64, ok bool) {
	pid := s.processOf(tid)
	st, err := readStat(pid)
	if err != nil {
		return nil, 0, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// An exec by another thread makes the id another program's, after it has
	// killed the caller.
	if !valid() {
		return nil, 0, false
	}
	p := s.processes[pid]
	if p == nil || p.Start != st.start {
		program := s.origin(pid, st)
		p = &processStream{Start: st.start, Label: program.Key.Label(), program: program, born: s.round}
		s.processes[pid] = p
		s.grown()
	}
	if p.Stream == nil {
		key := p.program.Key.Fork(p.program.Forks)
		p.program.Forks++
		stream := key.Stream()
		p.Stream = &stream
	}
	pos = p.Pos
	p.Pos += n
	return p.Stream, pos, true
}

// origin finds the program that a process runs: it is known, or carries the
// program's label on its stack, as all that were forked from one that does. Where
// neither holds, the process is taken for its parent's.
func (s *streams) origin(pid int, st procStat) *programStreams {
	for range 64 {
		if p := s.processes[pid]; p != nil && p.Start == st.start {
			return p.program
		}
		if program := s.programs[readLabel(pid, st.stack)]; program != nil {
			return program
		}
		var err error
		if pid = st.parent; pid <= 1 {
			break
		}
		if st, err = readStat(pid); err != nil {
			break
		}
	}
	return s.strays
}

// processOf returns the process of a thread that waits for an answer.
func (s *streams) processOf(tid int) int {
	if inProcess(tid, tid) {
		return tid
	}
	s.mu.Lock()
	pid := s.threads[tid]
	s.mu.Unlock()
	if pid != 0 && inProcess(pid, tid) {
		return pid
	}
	pid = threadGroup(tid)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.threads) >= 1<<14 {
		clear(s.threads)
	}
	s.threads[tid] = pid
	return pid
}
