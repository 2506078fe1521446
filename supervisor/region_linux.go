package supervisor

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/vdsoshim"
)

// A region is what one run maps into its programs: the image and the control
// page, which nobody but the supervisor can change, and the counters, which
// every program adds to.
type region struct {
	fd       int    // memfd: image, control page, the user's own vDSO image
	image    []byte // its image, writable, until it is folded
	control  []byte // the control page, writable
	counters int    // memfd, -1 without --stats
	mu       sync.Mutex
	rows     []byte // the counters, CPU by CPU; mu is held where they may be unmapped
	names    []string
}

// newRegion makes a run's memory file, which has yet to be filled.
// It is no longer than it must be, since RLIMIT_FSIZE counts: a user's image lengthens it.
func newRegion() (*region, error) {
	fd, err := memfd("reflect-shim", vdsoshim.ControlOff+vdsoshim.PageSize, nil)
	if err != nil {
		return nil, err
	}
	r := &region{fd: fd, counters: -1}
	if r.control, err = mapFile(fd, vdsoshim.ControlOff, vdsoshim.PageSize, populated); err != nil {
		r.close()
		return nil, fmt.Errorf("map the shim: %w", err)
	}
	return r, nil
}

// populated maps at once: each page would be a fault.
const populated = unix.MAP_SHARED | unix.MAP_POPULATE

// begin puts the image, as it was built, into the file and maps it: one write takes less
// than empty pages, each of which is cleared first.
func (r *region) begin() error {
	err := beyondFileSize(func() error { return writeAll(r.fd, vdsoshim.Template(), 0) })
	if err != nil {
		return fmt.Errorf("write a memory file: %w", err)
	}
	if r.image, err = mapFile(r.fd, 0, vdsoshim.ImageSize, populated); err != nil {
		return fmt.Errorf("map the shim: %w", err)
	}
	return nil
}

// controlAt is where the control page is mapped here.
func (r *region) controlAt() uintptr { return uintptr(unsafe.Pointer(&r.control[0])) }

// mapFile maps a part of a file, writable.
func mapFile(fd int, off int64, size, flags int) ([]byte, error) {
	return unix.Mmap(fd, off, size, unix.PROT_READ|unix.PROT_WRITE, flags)
}

// fill lays out a run's memory. The image is complete already.
func (r *region) fill(built *vdsoshim.Built, user []byte, kernelSize int, stats bool) (err error) {
	r.names, built.Bytes = built.Counters, nil
	if len(user) > 0 {
		// It covers the kernel's mapping whole, which may be longer: the rest
		// must be there too.
		content := make([]byte, max(len(user)+vdsoshim.PageSize-1, kernelSize+vdsoshim.PageSize-1)&^(vdsoshim.PageSize-1))
		copy(content, user)
		if err = beyondFileSize(func() error { return writeAll(r.fd, content, vdsoshim.UserOff) }); err != nil {
			return fmt.Errorf("write a memory file: %w", err)
		}
	}
	// By unix.Getrandom the runtime would first make a state for the vDSO's function.
	generation := (*uint64)(unsafe.Pointer(&r.control[0]))
	if _, _, e := unix.RawSyscall(unix.SYS_GETRANDOM, uintptr(unsafe.Pointer(generation)), 8, 0); e != 0 {
		return fmt.Errorf("choose a generation: %w", e)
	}
	atomic.StoreUint64(generation, *generation|1) // never 0
	if !stats {
		return nil
	}
	if r.counters, err = memfd("reflect-counters", vdsoshim.CountersSize, nil); err != nil {
		return err
	}
	if r.rows, err = mapFile(r.counters, 0, vdsoshim.CountersSize, unix.MAP_SHARED); err != nil {
		return fmt.Errorf("map the counters: %w", err)
	}
	return nil
}

// fold unmaps the image, which is complete. To do that interrupts the processors that
// run threads of ours, so it waits until the program has run for some milliseconds.
func (r *region) fold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.image != nil {
		unix.Munmap(r.image)
		r.image = nil
	}
}

// seal takes from everybody the right to write to the region, but for
// mappings that are older: of the control page ours, and the guardian's, which must be
// there by now, and of the image ours, until it is folded (F_SEAL_FUTURE_WRITE, fcntl(2), Linux >= 5.1).
func (r *region) seal() error {
	seals := unix.F_SEAL_FUTURE_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(r.fd), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("seal the shim: %w", err)
	}
	return nil
}

// memfd makes a memory file of the given length, with content at its beginning.
func memfd(name string, size int, content []byte) (fd int, err error) {
	fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, fmt.Errorf("create a memory file: %w", err)
	}
	err = beyondFileSize(func() error {
		if err := unix.Ftruncate(fd, int64(size)); err != nil {
			return err
		}
		return writeAll(fd, content, 0)
	})
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("write a memory file: %w", err)
	}
	return fd, nil
}

// writeAll writes content to a file. The kernel writes up to a limit without an
// error, which is one here.
func writeAll(fd int, content []byte, off int64) error {
	if len(content) == 0 {
		return nil
	}
	n, err := unix.Pwrite(fd, content, off)
	if err == nil && n < len(content) {
		return unix.EFBIG
	}
	return err
}

// beyondFileSize does what RLIMIT_FSIZE may forbid: the limit, which the program
// is to inherit, holds for memory files as well. Where write fails for it, the
// soft limit is lifted and write is tried again, while nobody can fork.
func beyondFileSize(write func() error) error {
	err := write()
	if err != unix.EFBIG {
		return err
	}
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	var old unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_FSIZE, &old) != nil {
		return err
	}
	lifted := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if old.Max != lifted.Max && unix.Setrlimit(unix.RLIMIT_FSIZE, &lifted) != nil { // CAP_SYS_RESOURCE
		lifted = unix.Rlimit{Cur: old.Max, Max: old.Max}
	}
	if unix.Setrlimit(unix.RLIMIT_FSIZE, &lifted) != nil {
		return err
	}
	defer unix.Setrlimit(unix.RLIMIT_FSIZE, &old)
	return write()
}

// counts sums the programs' counters over the CPUs, those of vDSO functions by
// symbol, and those of calls made at patched sites by number.
func (r *region) counts() (functions map[string]uint64, calls map[int]uint64) {
	functions, calls = map[string]uint64{}, map[int]uint64{}
	r.mu.Lock()
	defer r.mu.Unlock()
	words := vdsoshim.CounterRowSize / 8
	for at := 0; at < min(len(r.rows), vdsoshim.CounterRows*vdsoshim.CounterRowSize); at += 8 {
		n := atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.rows[at])))
		i := at / 8 % words
		switch {
		case n == 0:
		case i < len(r.names):
			functions[r.names[i]] += n
		case i >= vdsoshim.CounterCalls:
			calls[i-vdsoshim.CounterCalls] += n
		}
	}
	return functions, calls
}

// siteCounts returns what each site's counter counted, by its number.
func (r *region) siteCounts() []uint64 {
	out := make([]uint64, vdsoshim.CounterSites)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rows == nil {
		return nil
	}
	for i := range out {
		at := vdsoshim.CounterRows*vdsoshim.CounterRowSize + 8*i
		out[i] = atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.rows[at])))
	}
	return out
}

// trapCounts returns what the handler of SIGSYS counted, by rule.
func (r *region) trapCounts(rules int) []uint64 {
	out := make([]uint64, min(rules, vdsoshim.MaxTraps))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rows == nil {
		return nil
	}
	for i := range out {
		out[i] = atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.rows[vdsoshim.CounterTraps+8*i])))
	}
	return out
}

func (r *region) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range [][]byte{r.image, r.control, r.rows} {
		if b != nil {
			unix.Munmap(b)
		}
	}
	for _, fd := range []int{r.fd, r.counters} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	r.fd, r.counters, r.image, r.control, r.rows = -1, -1, nil, nil, nil
}

// mmapMinAddr is the lowest address that programs may map, in bytes.
func mmapMinAddr() uint64 {
	b, err := readFile("/proc/sys/vm/mmap_min_addr", make([]byte, 32))
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	return n
}
