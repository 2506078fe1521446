package vdsoshim

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// ErrNoVDSO means that the kernel gives programs no vDSO (vdso=0 on its
// command line, or an emulator).
var ErrNoVDSO = errors.New("this kernel maps no vDSO into programs")

type kernelImage struct {
	image *Image
	data  []byte
	base  uint64
}

var readKernel = sync.OnceValues(func() (*kernelImage, error) {
	base, err := kernelBase()
	if err != nil {
		return nil, err
	}
	data, err := imageAt(base)
	if err != nil {
		return nil, err
	}
	image, err := Parse(data)
	if err != nil {
		return nil, err
	}
	return &kernelImage{image, data, base}, nil
})

// Kernel returns the vDSO that the kernel mapped into this process, which is
// the same in every 64-bit process, parsed and as bytes; neither may be
// changed.
func Kernel() (*Image, []byte, error) {
	k, err := readKernel()
	if err != nil {
		return nil, nil, err
	}
	return k.image, k.data, nil
}

func kernelBase() (uint64, error) {
	entries, err := unix.Auxv()
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if e[0] == atSysinfoEhdr && e[1] != 0 {
			return uint64(e[1]), nil
		}
	}
	return 0, ErrNoVDSO
}

// KernelData returns how many bytes each mapping has that the kernel puts in front of its vDSO, for
// what the functions read ("[vvar]", and "[vvar_vclock]" from Linux 6.13 on); none where
// they can't be told, as under another run of reflect.
var KernelData = sync.OnceValue(func() []uint64 {
	k, err := readKernel()
	if err != nil {
		return nil
	}
	maps, err := readMaps()
	if err != nil {
		return nil
	}
	return dataBefore(maps, k.base, k.base+k.image.Size())
})

// readMaps reads /proc/self/maps. Package os would first make its poller know the file, which takes longer.
func readMaps() ([]byte, error) {
	fd, err := unix.Open("/proc/self/maps", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	buf := make([]byte, 0, 2*PageSize)
	for {
		n, err := unix.Read(fd, buf[len(buf):cap(buf)])
		if n <= 0 || err != nil {
			return buf, err
		}
		buf = slices.Grow(buf[:len(buf)+n], PageSize)
	}
}

// dataBefore finds the mappings before the vDSO's in /proc/pid/maps.
func dataBefore(maps []byte, begin, end uint64) (sizes []uint64) {
	next := uint64(0)
	for line := range bytes.Lines(maps) {
		if !bytes.Contains(line, []byte(" [v")) {
			continue
		}
		first, rest, _ := strings.Cut(string(line), "-")
		last, rest, _ := strings.Cut(rest, " ")
		from, err := strconv.ParseUint(first, 16, 64)
		if err != nil {
			return nil
		}
		to, err := strconv.ParseUint(last, 16, 64)
		if err != nil {
			return nil
		}
		switch {
		case strings.Contains(rest, " [vvar"):
			if from != next {
				sizes = nil
			}
			sizes, next = append(sizes, to-from), to
		case strings.Contains(rest, " [vdso]"):
			if from == begin && to == end && next == begin {
				return sizes
			}
		}
	}
	return nil
}

const atSysinfoEhdr = 33 // AT_SYSINFO_EHDR, elf.h

// params is the answer to getrandom's query, struct vgetrandom_opaque_params.
type params struct {
	Size, Prot, Flags uint32
	_                 [13]uint32
}

// kernelParams asks the kernel's own __vdso_getrandom; ok is false where there
// is none, or where it has no answer.
var kernelParams = sync.OnceValues(func() (*params, bool) {
	k, err := readKernel()
	if err != nil {
		return nil, false
	}
	s, ok := k.image.Lookup(prefix+"getrandom", abiVersion)
	if !ok {
		return nil, false
	}
	p := new(params)
	if callQuery(k.base+s.Value-k.image.bias, p) != 0 || p.Size == 0 || p.Size > PageSize {
		return nil, false
	}
	return p, true
})

const mapDroppable = 0x08 // Linux >= 6.11, linux/mman.h

// ownParams are what the image answers where the kernel has no function to
// ask: what kernels that have one answer, if this one's mmap takes the flags.
var ownParams = sync.OnceValue(func() *params {
	p := &params{Size: 144, Prot: unix.PROT_READ | unix.PROT_WRITE, Flags: mapDroppable | unix.MAP_ANONYMOUS}
	b, err := unix.Mmap(-1, 0, PageSize, int(p.Prot), int(p.Flags))
	if err != nil {
		p.Flags = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS
		return p
	}
	unix.Munmap(b)
	return p
})
