package machine

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// times are the processors' times since the machine started, in ticks.
type times struct{ idle, steal, total uint64 }

// readTimes reads the first line of /proc/stat (proc(5)).
func readTimes() (t times) {
	line, _, _ := strings.Cut(read("/proc/stat"), "\n")
	for i, field := range strings.Fields(line) {
		v, err := strconv.ParseUint(field, 10, 64)
		if err != nil || i > 8 { // guest time is part of user time
			continue
		}
		t.total += v
		switch i {
		case 4, 5: // idle, iowait
			t.idle += v
		case 8:
			t.steal += v
		}
	}
	return t
}

// A Load measures how busy the machine is.
type Load struct{ from times }

// Begin starts to measure.
func (l *Load) Begin() { l.from = readTimes() }

// Busy is the share of the processors' time that was spent since Begin. Called
// before anything is measured, that is what others spend. ok is false where no
// time has passed.
func (l *Load) Busy() (share float64, ok bool) {
	now := readTimes()
	if now.total <= l.from.total {
		return 0, false
	}
	return 1 - float64(now.idle-l.from.idle)/float64(now.total-l.from.total), true
}

// A Watch notices what goes on beside a measurement.
type Watch struct {
	from  times
	begin time.Time
	used  map[int]process
}

// A process is one of others: its name, and processor time in ticks.
type process struct {
	name   string
	parent int
	ticks  uint64
}

// Begin starts to watch.
func (w *Watch) Begin() { w.from, w.begin, w.used = readTimes(), time.Now(), processes() }

// Steal is the share of processors' time since Begin that the hypervisor gave to
// others.
func (w *Watch) Steal() float64 {
	now := readTimes()
	if now.total <= w.from.total {
		return 0
	}
	return float64(now.steal-w.from.steal) / float64(now.total-w.from.total)
}

// Neighbours are the programs that used more than a fiftieth of a processor since
// Begin, other than this one and what it started: the busiest first.
func (w *Watch) Neighbours() []string {
	all := w.neighbours()
	return all[:min(len(all), 5)]
}

func (w *Watch) neighbours() (names []string) {
	now := processes()
	type busy struct {
		name  string
		share float64
	}
	var all []busy
	seconds := time.Since(w.begin).Seconds()
	for pid, p := range now {
		if ours(now, pid) {
			continue
		}
		ticks := p.ticks
		if before, ok := w.used[pid]; ok && before.ticks <= ticks {
			ticks -= before.ticks
		}
		const perSecond = 100 // USER_HZ
		if share := float64(ticks) / perSecond / seconds; share >= 0.02 && seconds > 0 {
			all = append(all, busy{p.name, share})
		}
	}
	slices.SortFunc(all, func(a, b busy) int { return cmp.Compare(b.share, a.share) })
	for _, b := range all {
		names = append(names, fmt.Sprintf("%s (%.0f %%)", b.name, 100*b.share))
	}
	return names
}

func ours(all map[int]process, pid int) bool { return descends(all, pid, os.Getpid()) }

// Descendants are the processes that came from one, itself included.
func Descendants(of int) (pids []int) {
	all := processes()
	for pid := range all {
		if descends(all, pid, of) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func descends(all map[int]process, pid, from int) bool {
	for range 64 {
		if pid == from {
			return true
		}
		p, ok := all[pid]
		if !ok || pid <= 1 {
			return false
		}
		pid = p.parent
	}
	return false
}

// processes reads /proc/PID/stat of all that may be seen.
func processes() map[int]process {
	all := map[int]process{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// The name stands in parentheses and may hold any letter.
		stat := read("/proc/" + e.Name() + "/stat")
		begin, end := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
		if begin < 0 || end < begin {
			continue
		}
		f := strings.Fields(stat[end+1:])
		if len(f) < 13 {
			continue
		}
		p := process{name: stat[begin+1 : end]}
		p.parent, _ = strconv.Atoi(f[1])
		for _, field := range f[11:13] { // utime, stime
			v, _ := strconv.ParseUint(field, 10, 64)
			p.ticks += v
		}
		all[pid] = p
	}
	return all
}
