package workload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sysreflect/sysreflect/experiment/launch"
	"golang.org/x/sys/unix"
)

// A Subject is what is run in each way.
type Subject struct {
	Name   string            // of its figures: "workload:git status"
	Params map[string]string // of its figures
	Ways   []Way
	// Once runs it once. Only what the launcher says is timed.
	Once func(ctx context.Context, w *Way) (launch.Result, error)
	// WallOnly says that Once knows no more than the time.
	WallOnly bool
	// Count returns how many calls were reflected; nil where that is not known.
	Count func(ctx context.Context, w *Way) (uint64, error)
}

// A Schedule says how often.
type Schedule struct {
	Rounds int           // 0 for as many as Budget allows
	Warmup int           // rounds before the first one that counts
	Budget time.Duration // for all rounds, if at least ten fit, or six in six times that
	// Drop has a way that fails left out; otherwise a failure ends all. The native
	// program must not fail.
	Drop bool
	// Progress is told what comes next; total is 0 where nobody knows.
	Progress func(round, total int, way string)
}

const (
	usualRounds = 10
	// With fewer samples no interval holds the median with 95 % confidence.
	leastRounds = 6
	mostRounds  = 1000
)

// enough reports whether no further round is needed.
func (s *Schedule) enough(round int, spent time.Duration) bool {
	switch {
	case s.Rounds > 0:
		return round >= s.Rounds
	case round >= usualRounds:
		return spent >= s.Budget || round >= mostRounds
	}
	return round >= leastRounds && spent >= 6*s.Budget
}

// expected is the number of rounds that there will be, as far as is known.
func (s *Schedule) expected(round int, spent time.Duration) int {
	if s.Rounds > 0 || round == 0 || spent == 0 {
		return s.Rounds
	}
	each := spent / time.Duration(round)
	return max(usualRounds, min(mostRounds, int(s.Budget/max(1, each))))
}

// Measured is what rounds found out.
type Measured struct {
	Subject     *Subject
	Runs        [][]launch.Result // by way, then by round
	Counts      []uint64          // reflected calls by way
	Counted     []bool            // whether they are known
	Dropped     []error           // by way, nil for those that were measured
	Notes       []string
	Interrupted bool
	drop        bool
}

// A FailedError is the end of a program that did not succeed.
type FailedError struct {
	Way    string
	Status unix.WaitStatus
}

func (e *FailedError) Error() string {
	if e.Status.Signaled() {
		return fmt.Sprintf("%s: killed by %s", e.Way, unix.SignalName(e.Status.Signal()))
	}
	return fmt.Sprintf("%s: exit status %d", e.Way, e.Status.ExitStatus())
}

// Measure runs a subject in rounds. When ctx ends, it returns what it has.
func Measure(ctx context.Context, s *Subject, plan *Schedule) (*Measured, error) {
	n := len(s.Ways)
	m := &Measured{Subject: s, Runs: make([][]launch.Result, n), Counts: make([]uint64, n), Counted: make([]bool, n), Dropped: make([]error, n), drop: plan.Drop}
	tell := plan.Progress
	if tell == nil {
		tell = func(int, int, string) {}
	}
	for range plan.Warmup {
		for i := range s.Ways {
			tell(0, 0, s.Ways[i].Name)
			if _, err := m.once(ctx, i); err != nil || m.Interrupted {
				return m, err
			}
		}
	}
	order := shuffler{x: 88172645463325252}
	begin := time.Now()
	for round := 0; !plan.enough(round, time.Since(begin)); round++ {
		results := make([]launch.Result, len(s.Ways))
		for _, i := range order.shuffle(len(s.Ways)) {
			tell(round+1, plan.expected(round, time.Since(begin)), s.Ways[i].Name)
			var err error
			if results[i], err = m.once(ctx, i); err != nil || m.Interrupted {
				return m, err
			}
		}
		for i, r := range results {
			if m.Dropped[i] == nil {
				m.Runs[i] = append(m.Runs[i], r)
			}
		}
	}
	if len(m.Runs[0]) < leastRounds {
		m.note(fmt.Sprintf("fewer than %d rounds: no difference can be told from chance", leastRounds))
	}
	return m, m.count(ctx, tell)
}

// once runs one way, unless ctx ends before or meanwhile.
func (m *Measured) once(ctx context.Context, way int) (launch.Result, error) {
	w := &m.Subject.Ways[way]
	if ctx.Err() != nil {
		m.Interrupted = true
		return launch.Result{}, nil
	}
	if m.Dropped[way] != nil {
		return launch.Result{}, nil
	}
	r, err := m.Subject.Once(ctx, w)
	if interrupted(ctx, err) {
		m.Interrupted = true
		return r, nil
	}
	if err != nil && m.drop && w.Reflected() {
		m.Dropped[way], m.Runs[way] = err, nil
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if r.Left > 0 {
		m.note(fmt.Sprintf("%s left processes behind, which were ended before the next run", m.Subject.Name))
	}
	return r, nil
}

// interrupted reports whether something failed, or not, because it was to end:
// Ctrl-C reaches the program, too, and perhaps sooner.
func interrupted(ctx context.Context, err error) bool {
	var failed *FailedError
	if errors.As(err, &failed) && (failed.Status.Signal() == unix.SIGINT || failed.Status.ExitStatus() == 128+int(unix.SIGINT)) {
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	return ctx.Err() != nil
}

// count counts the calls of each way that is reflected.
func (m *Measured) count(ctx context.Context, tell func(int, int, string)) error {
	if m.Subject.Count == nil {
		return nil
	}
	for i := range m.Subject.Ways {
		w := &m.Subject.Ways[i]
		if !w.Reflected() || m.Dropped[i] != nil {
			continue
		}
		tell(0, 0, w.Name+", counted")
		n, err := m.Subject.Count(ctx, w)
		switch {
		case interrupted(ctx, err):
			m.Interrupted = true
			return nil
		case err != nil && m.drop:
			m.note(fmt.Sprintf("%s, %s: calls were not counted: %v", m.Subject.Name, w.Name, err))
			continue
		case err != nil:
			return err
		}
		m.Counts[i], m.Counted[i] = n, true
	}
	return nil
}

// note keeps what a reader must know, once.
func (m *Measured) note(text string) {
	for _, n := range m.Notes {
		if n == text {
			return
		}
	}
	m.Notes = append(m.Notes, text)
}

// A shuffler makes orders: xorshift64, the same ones in every run.
type shuffler struct{ x uint64 }

func (s *shuffler) shuffle(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	for i := n - 1; i > 0; i-- {
		s.x ^= s.x << 13
		s.x ^= s.x >> 7
		s.x ^= s.x << 17
		j := int(s.x % uint64(i+1))
		order[i], order[j] = order[j], order[i]
	}
	return order
}
