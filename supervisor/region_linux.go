package supervisor

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/vdsoshim"
)

// A region is what one run maps into its programs: the image and the control
// page, which nobody but the supervisor can change, and the counters, which
// every program adds to.
type region struct {
	fd       int    // memfd: image, control page, the user's own vDSO image
	control  []byte // the control page, writable
	counters int    // memfd, -1 without --stats
	rows     []byte // the counters, CPU by CPU
	names    []string
}

// newRegion lays out a run's memory. A program can't write the control page:
// the seal forbids every writable mapping but the supervisor's, which is older
// (F_SEAL_FUTURE_WRITE, fcntl(2), Linux >= 5.1).
func newRegion(built *vdsoshim.Built, user []byte, kernelSize int, stats bool) (_ *region, err error) {
	r := &region{fd: -1, counters: -1, names: built.Counters}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	size := vdsoshim.UserOff
	if len(user) > 0 {
		// It covers the kernel's mapping whole, which may be longer: the rest
		// must be there too.
		size += max(len(user)+vdsoshim.PageSize-1, kernelSize+vdsoshim.PageSize-1) &^ (vdsoshim.PageSize - 1)
	}
	if r.fd, err = memfd("reflect-shim", size); err != nil {
		return nil, err
	}
	if _, err = unix.Pwrite(r.fd, built.Bytes, 0); err != nil {
		return nil, fmt.Errorf("write the shim: %w", err)
	}
	if len(user) > 0 {
		if _, err = unix.Pwrite(r.fd, user, vdsoshim.UserOff); err != nil {
			return nil, fmt.Errorf("write the vDSO image: %w", err)
		}
	}
	r.control, err = unix.Mmap(r.fd, vdsoshim.ControlOff, vdsoshim.PageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the control page: %w", err)
	}
	var seed [8]byte
	if _, err = unix.Getrandom(seed[:], 0); err != nil {
		return nil, fmt.Errorf("choose a generation: %w", err)
	}
	generation := (*uint64)(unsafe.Pointer(&r.control[0]))
	atomic.StoreUint64(generation, binary.LittleEndian.Uint64(seed[:])|1) // never 0
	seals := unix.F_SEAL_FUTURE_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if _, err = unix.FcntlInt(uintptr(r.fd), unix.F_ADD_SEALS, seals); err != nil {
		return nil, fmt.Errorf("seal the shim: %w", err)
	}
	if !stats {
		return r, nil
	}
	if r.counters, err = memfd("reflect-counters", vdsoshim.CountersSize); err != nil {
		return nil, err
	}
	r.rows, err = unix.Mmap(r.counters, 0, vdsoshim.CountersSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the counters: %w", err)
	}
	return r, nil
}

func memfd(name string, size int) (int, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, fmt.Errorf("create a memory file: %w", err)
	}
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("size a memory file: %w", err)
	}
	return fd, nil
}

// counts sums the programs' counters over the CPUs, by symbol.
func (r *region) counts() map[string]uint64 {
	sums := make(map[string]uint64, len(r.names))
	if r.rows == nil {
		return sums
	}
	const row = 64 * 8
	for i, name := range r.names {
		for at := 8 * i; at < len(r.rows); at += row {
			sums[name] += atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.rows[at])))
		}
	}
	return sums
}

func (r *region) close() {
	if r.control != nil {
		unix.Munmap(r.control)
	}
	if r.rows != nil {
		unix.Munmap(r.rows)
	}
	for _, fd := range []int{r.fd, r.counters} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	*r = region{fd: -1, counters: -1}
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
