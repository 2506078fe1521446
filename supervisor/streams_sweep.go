package supervisor

import (
	"encoding/json"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Nobody tells of a process's end, so from time to time those that are left are
// looked for.

// grown starts a sweep if there is more than twice of what the last one left.
func (s *streams) grown() {
	if s.sweeping || len(s.programs)+len(s.processes) <= s.limit {
		return
	}
	s.sweeping = true
	s.round++
	go s.sweep()
}

// sweep forgets processes that have ended, and programs that no process runs. A
// program is forgotten when two sweeps found no process of it: a process that is
// forked while the list is read, by one that then ends, may be missed once.
func (s *streams) sweep() {
	alive, labels, err := s.census()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweeping = false
	if err == nil {
		for pid, p := range s.processes {
			if start, ok := alive[pid]; p.born != s.round && (!ok || start != p.Start) {
				delete(s.processes, pid)
			} else {
				labels[p.Label] = true
			}
		}
		for label, program := range s.programs {
			switch {
			case program.born == s.round || labels[label]:
				program.idle = 0
			case program.idle > 0:
				delete(s.programs, label)
			default:
				program.idle++
			}
		}
	}
	s.limit = max(minSweep, 2*(len(s.programs)+len(s.processes)))
}

// census lists the processes of the system by their beginning, and the labels of
// those that were not looked at yet.
func (s *streams) census() (alive map[int]uint64, labels map[uint64]bool, err error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, nil, err
	}
	alive, labels = map[int]uint64{}, map[uint64]bool{}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		st, err := readStat(pid)
		switch err {
		case nil:
		case unix.ENOENT, unix.ESRCH, unix.EACCES, unix.EPERM: // ended, or hidden and so not the program's
			continue
		default:
			return nil, nil, err
		}
		alive[pid] = st.start
		s.mu.Lock()
		p := s.processes[pid]
		known := p != nil && p.Start == st.start
		s.mu.Unlock()
		if !known && st.stack > 1 {
			labels[readLabel(pid, st.stack)] = true
		}
	}
	return alive, labels, nil
}

// streamState is what a successor needs of streams.
type streamState struct {
	Programs  []*programStreams
	Processes map[int]*processStream
	Strays    *programStreams
}

// save writes the streams for a successor.
func (s *streams) save() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := streamState{Processes: s.processes, Strays: s.strays}
	for _, p := range s.programs {
		state.Programs = append(state.Programs, p)
	}
	return json.Marshal(state)
}

// restore goes on where save ended.
func (s *streams) restore(b []byte) error {
	var state streamState
	if err := json.Unmarshal(b, &state); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if state.Strays != nil {
		s.strays = state.Strays
	}
	for _, p := range state.Programs {
		s.programs[p.Key.Label()] = p
	}
	for pid, p := range state.Processes {
		if p.program = s.programs[p.Label]; p.program == nil {
			p.program = s.strays
		}
		s.processes[pid] = p
	}
	return nil
}
