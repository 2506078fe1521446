package patch

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/reflect/site"
)

// maxFile bounds what is read of a file, in bytes. Nothing is executed there
// that is larger.
const maxFile = 1 << 30

// maxFiles bounds how many files are kept: a build executes hundreds. Beyond it
// all are looked at anew.
const maxFiles = 128

// identity tells one file's contents from others'.
type identity struct {
	dev, inode  uint64
	size, mtime int64 // bytes, nanoseconds
}

// A file is the code of one executable or library, and what is known of its
// sites, for the whole tree of processes.
type file struct {
	path   string
	id     identity
	code   *site.File
	data   []byte // where it is mapped, or was, or a copy
	mapped bool
	err    error // why it has none
	plans  map[uint64]*planned

	searching  sync.Mutex // guards what follows
	searched   bool
	forgetting []*site.Plan // see forgetful
}

// planned is what became of one site's analysis.
type planned struct {
	plan *site.Plan
	err  error
}

// files are the files seen so far.
type files struct {
	byID      map[identity]*file
	mapped    []*file
	forgotten int // how often all were
}

var errChanged = errors.New("the file is not the one that is mapped")

// find finds the file that a process has mapped. One that was replaced or removed
// since only a privileged user finds; its sites stay with notification otherwise.
func (fs *files) find(p *process, m mapping) (*file, error) {
	var why error
	for _, path := range paths(p.pid, m) {
		f, err := fs.open(path, m)
		if f != nil {
			return f, f.err
		}
		if why == nil || err == errChanged {
			why = err
		}
	}
	return nil, why
}

// paths are where a process's file may be found. The kernel writes a mapping's path as
// one of our own root, or of the root of the process's mount namespace (d_path), of
// which a process in a chroot has only a part. Privileged users can open what is mapped
// itself (proc_map_files_get_link).
func paths(pid int, m mapping) [3]string {
	proc := "/proc/" + strconv.Itoa(pid)
	return [...]string{
		proc + "/root" + m.path,
		m.path,
		proc + "/map_files/" + strconv.FormatUint(m.start, 16) + "-" + strconv.FormatUint(m.end, 16),
	}
}

// open finds a mapping's file at a path; nil if it is not there.
func (fs *files) open(path string, m mapping) (*file, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nil, err
	}
	id, err := identify(&st, m)
	if err != nil {
		return nil, err
	}
	if known := fs.byID[id]; known != nil {
		return known, nil
	}
	fd, id, err := openAs(path, m)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if len(fs.byID) >= maxFiles {
		fs.forget()
	}
	out := &file{path: m.path, id: id, plans: map[uint64]*planned{}}
	served := asksProcess(fd)
	if out.code, out.data, out.err = load(fd, id.size, served); out.err == nil {
		if out.mapped = true; !served {
			fs.mapped = append(fs.mapped, out)
		}
	}
	fs.byID[id] = out
	return out, nil
}

// openAs opens a path, if it is a mapping's file.
func openAs(path string, m mapping) (fd int, id identity, err error) {
	fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, id, err
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil {
		id, err = identify(&st, m)
	}
	if err != nil {
		unix.Close(fd)
		return -1, id, err
	}
	return fd, id, nil
}

// need maps a file that is known again, to look at it.
func (fs *files) need(f *file, p *process, m mapping) error {
	if f.mapped || f.err != nil {
		return f.err
	}
	why := errChanged
	for _, path := range paths(p.pid, m) {
		fd, id, err := openAs(path, m)
		if err != nil {
			continue
		}
		if id == f.id {
			why = remap(f.data, fd)
		}
		unix.Close(fd)
		if id == f.id {
			break
		}
	}
	if why == nil {
		f.mapped = true
		fs.mapped = append(fs.mapped, f)
	}
	return why
}

// leave unmaps the files, which could not be unmounted otherwise. What is known of them
// stays, and so does their place.
func (fs *files) leave() {
	searched := fs.mapped[:0]
	for _, f := range fs.mapped {
		if !f.searching.TryLock() {
			searched = append(searched, f) // whoever searches leaves it
			continue
		}
		f.mapped = remap(f.data, -1) != nil
		f.searching.Unlock()
	}
	fs.mapped = searched
}

func identify(st *unix.Stat_t, m mapping) (identity, error) {
	// The device of a mapping in a subvolume or overlay is not the file's.
	if st.Ino != m.inode || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return identity{}, errChanged
	}
	return identity{st.Dev, st.Ino, st.Size, st.Mtim.Nano()}, nil
}

// forget drops all that is known.
func (fs *files) forget() {
	fs.forgotten++
	for id, f := range fs.byID {
		if f.data != nil {
			f.searching.Lock()
			f.searched = true // or never
			unix.Munmap(f.data)
			f.searching.Unlock()
		}
		delete(fs.byID, id)
	}
	fs.mapped = nil
}

// maxCopy bounds the files, in bytes, that are copied and not mapped.
const maxCopy = 64 << 20

// asksProcess reports whether a file's pages come from a process (FUSE), which may be one
// of the run's, whose calls wait for us. A thread of Go's that waits for a page can't be preempted,
// and then the whole runtime waits, the next time that it stops the world; in read(2) it can. A process is
// asked for statfs(2) as well, and need not know it; others all do.
func asksProcess(fd int) bool {
	const fuse = 0x65735546 // FUSE_SUPER_MAGIC, linux/magic.h
	var st unix.Statfs_t
	return unix.Fstatfs(fd, &st) != nil || st.Type == fuse
}

// content maps a file, or copies one that is served by a process.
func content(fd int, size int64, served bool) ([]byte, error) {
	if !served {
		return unix.Mmap(fd, 0, int(size), unix.PROT_READ, unix.MAP_PRIVATE)
	}
	if size > maxCopy {
		return nil, fmt.Errorf("%d bytes served by a process", size)
	}
	b, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, err
	}
	for at := 0; at < len(b); {
		n, err := unix.Pread(fd, b[at:], int64(at))
		switch {
		case err == unix.EINTR:
		case err == nil && n > 0:
			at += n
		default:
			unix.Munmap(b)
			return nil, errors.Join(errChanged, err)
		}
	}
	return b, nil
}

// load takes a file's contents and reads its headers.
func load(fd int, size int64, served bool) (*site.File, []byte, error) {
	if size <= 0 || size > maxFile {
		return nil, nil, fmt.Errorf("%d bytes", size)
	}
	b, err := content(fd, size, served)
	if err != nil {
		return nil, nil, err
	}
	var code *site.File
	err = guarded(func() (err error) {
		code, err = site.Parse(b)
		return err
	})
	if err != nil {
		unix.Munmap(b)
		return nil, nil, err
	}
	return code, b, nil
}

// plan analyzes the site at an address as linked, once.
func (f *file) plan(at uint64) (*site.Plan, error) {
	known := f.plans[at]
	if known == nil {
		known = &planned{}
		known.err = guarded(func() (err error) {
			known.plan, err = f.code.Analyze(at)
			return err
		})
		f.plans[at] = known
	}
	return known.plan, known.err
}

// guarded makes an error of the fault that reading a mapped file gives when
// somebody has truncated it.
func guarded(read func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			if _, ok := fault.(interface{ Addr() uintptr }); !ok {
				panic(fault)
			}
			err = errChanged
		}
	}()
	return read()
}
