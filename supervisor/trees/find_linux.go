package trees

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/supervisor/internal/guardian"
)

// find returns the guardians of the trees that pid is in or serves, 0 meaning all
// that the caller may reach.
func find(pid int) ([]*guard, error) {
	if pid == 0 {
		found, denied, err := each(func(*guard) bool { return true })
		if found == nil && err == nil {
			err = noTree("nothing runs under reflect")
			if len(denied) > 0 {
				err = noTree("nothing of this user runs under reflect")
			}
		}
		return found, err
	}
	if _, err := os.Stat(proc(pid, "stat")); pid < 0 || err != nil {
		return nil, fmt.Errorf("process %d: %w", pid, unix.ESRCH)
	}
	// A process of the tree: the guardian is its ancestor, being the subreaper.
	for at, steps := pid, 0; at > 0 && steps < maxDepth; steps++ {
		if comm(at) == guardian.Name {
			g, err := inspect(at)
			if err == nil {
				return []*guard{g}, nil
			}
			if errors.Is(err, fs.ErrPermission) {
				return nil, fmt.Errorf("process %d is in a tree of another user or group: %w", pid, err)
			}
		}
		at = parent(at)
	}
	found, denied, err := each(func(g *guard) bool { return g.Supervisor == pid })
	if found != nil || err != nil {
		return found, err
	}
	if unix.Kill(pid, 0) == unix.EPERM || slices.ContainsFunc(denied, func(g int) bool { return parent(g) == pid }) {
		return nil, fmt.Errorf("process %d is of another user or group: %w", pid, unix.EPERM)
	}
	return nil, noTree(fmt.Sprintf("process %d does not run under reflect", pid))
}

// A noTree is an ErrNone with a text that fits.
type noTree string

func (e noTree) Error() string        { return string(e) }
func (e noTree) Is(target error) bool { return target == ErrNone }

// maxDepth bounds the way up, should a process be its own ancestor by numbers that
// were given away meanwhile.
const maxDepth = 1 << 16

// each returns the guardians that can be reached and are wanted, and the process
// ids of those that may not be.
func each(wanted func(*guard) bool) (found []*guard, denied []int, err error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || comm(pid) != guardian.Name {
			continue
		}
		g, err := inspect(pid)
		switch {
		case errors.Is(err, fs.ErrPermission):
			denied = append(denied, pid)
		case err != nil: // it has ended, or is none
		case wanted(g):
			found = append(found, g)
		default:
			unix.Close(g.pidfd)
		}
	}
	return found, denied, nil
}

// A guard is a guardian with its tree.
type guard struct {
	Tree
	pid, pidfd int
	page       string // the memory file with the generation, below /proc
	offset     int64  // of the generation in it
	before     uint64 // the generation when Reseed was called
}

// errOther means that a process is not a guardian, in spite of its name, or one
// that has not started its program.
var errOther = errors.New("not a guardian")

// inspect finds out what there is to know of a guardian. The descriptor comes first:
// as long as it is good, the number meant the same process.
func inspect(pid int) (_ *guard, err error) {
	g := &guard{pid: pid}
	if g.pidfd, err = unix.PidfdOpen(pid, 0); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			unix.Close(g.pidfd)
		}
	}()
	if err := g.findPage(); err != nil {
		return nil, err
	}
	if children, err := os.ReadFile(proc(pid, "task/"+strconv.Itoa(pid)+"/children")); err == nil {
		first, _, _ := strings.Cut(string(children), " ")
		if child, err := strconv.Atoi(first); err == nil {
			g.Name = comm(child)
		}
	}
	return g, nil
}

// findPage looks among the guardian's descriptors and mappings. Where the page is
// in the file is not the same in all versions of reflect.
func (g *guard) findPage() error {
	fds, err := os.ReadDir(proc(g.pid, "fd"))
	if err != nil {
		return err
	}
	for _, fd := range fds {
		link, err := os.Readlink(proc(g.pid, "fd/"+fd.Name()))
		switch {
		case err != nil:
		case strings.Contains(link, "pidfd"):
			g.Supervisor = pidOf(proc(g.pid, "fdinfo/"+fd.Name()))
		case link == regionFile:
			g.page = proc(g.pid, "fd/"+fd.Name())
		}
	}
	maps, err := os.ReadFile(proc(g.pid, "maps"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(maps)) {
		// address perms offset dev inode path
		if f := strings.Fields(line); strings.HasSuffix(strings.TrimSpace(line), regionFile) && f[1] == "rw-s" {
			if g.offset, err = strconv.ParseInt(f[2], 16, 64); err == nil && g.page != "" && g.Supervisor > 0 {
				return nil
			}
		}
	}
	return errOther
}

const regionFile = "/memfd:reflect-shim (deleted)"

// generation reads the number that the guardian keeps.
func (g *guard) generation() (uint64, error) {
	f, err := os.Open(g.page)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	b := make([]byte, 8)
	if _, err := f.ReadAt(b, g.offset); err != nil {
		return 0, err
	}
	return le.Uint64(b), nil
}
