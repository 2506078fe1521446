package patch

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A process is the memory of one, held open: what is read and written belongs
// to the program that it was when it was opened, whatever becomes of the id.
type process struct {
	pid  int
	mem  int // /proc/PID/mem
	maps int // /proc/PID/maps, once it was needed; else -1
	// The file of the mapping that was asked for last, while files has it.
	found     *file
	of        mapping
	forgotten int // what files.forgotten was
}

// open opens a process's memory. It needs the right to trace it
// (PTRACE_MODE_ATTACH_FSCREDS, ptrace(2)).
func open(pid int) (*process, error) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/mem", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &process{pid: pid, mem: fd, maps: -1}, nil
}

func (p *process) close() {
	unix.Close(p.mem)
	if p.maps >= 0 {
		unix.Close(p.maps)
	}
}

func (p *process) read(addr uint64, b []byte) error {
	n, err := unix.Pread(p.mem, b, int64(addr))
	if err == nil && n < len(b) {
		err = unix.EFAULT
	}
	return err
}

// write writes to memory that the program itself may not write. EIO and EFAULT
// mean that the kernel forbids it (proc_mem.force_override, Linux >= 6.12).
func (p *process) write(addr uint64, b []byte) error {
	n, err := unix.Pwrite(p.mem, b, int64(addr))
	if err == nil && n < len(b) {
		err = unix.EFAULT
	}
	return err
}

// A mapping is one line of /proc/PID/maps.
type mapping struct {
	start, end uint64
	perms      string // "r-xp"
	offset     uint64
	dev        uint64
	inode      uint64
	path       string
}

var errUnmapped = errors.New("nothing is mapped there")

// mapping finds what is mapped at an address.
func (p *process) mapping(addr uint64) (mapping, error) {
	if p.maps < 0 {
		fd, err := unix.Open("/proc/"+strconv.Itoa(p.pid)+"/maps", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return mapping{}, err
		}
		p.maps = fd
	}
	m, err := queryMapping(p.maps, addr)
	switch err {
	case nil, unix.ESRCH: // ended
		return m, err
	case unix.ENOENT:
		return m, errUnmapped
	}
	// Read from the beginning.
	f := os.NewFile(uintptr(p.maps), "maps")
	p.maps = -1
	defer f.Close()
	return scanMappings(f, addr)
}

// scanMappings reads /proc/PID/maps up to an address.
func scanMappings(f io.Reader, addr uint64) (mapping, error) {
	for s := bufio.NewScanner(f); s.Scan(); {
		// Only the range is needed to pass a line over.
		line := s.Bytes()
		dash := bytes.IndexByte(line, '-')
		space := bytes.IndexByte(line, ' ')
		if dash < 0 || space < dash {
			continue
		}
		end, err := strconv.ParseUint(string(line[dash+1:space]), 16, 64)
		if err != nil || end <= addr {
			continue
		}
		m, err := parseMapping(s.Text())
		if err == nil && m.start > addr {
			err = errUnmapped
		}
		return m, err
	}
	return mapping{}, errUnmapped
}

// parseMapping reads a line of /proc/PID/maps (proc_pid_maps(5)).
func parseMapping(line string) (m mapping, err error) {
	fields := strings.SplitN(line, " ", 6)
	if len(fields) < 5 {
		return m, fmt.Errorf("unknown line %q", line)
	}
	number := func(s string, base int) (n uint64) {
		v, e := strconv.ParseUint(s, base, 64)
		if e != nil {
			err = fmt.Errorf("unknown line %q: %w", line, e)
		}
		return v
	}
	from, to, _ := strings.Cut(fields[0], "-")
	major, minor, _ := strings.Cut(fields[3], ":")
	m = mapping{
		start: number(from, 16), end: number(to, 16), perms: fields[1], offset: number(fields[2], 16),
		dev:   unix.Mkdev(uint32(number(major, 16)), uint32(number(minor, 16))),
		inode: number(fields[4], 10),
	}
	if len(fields) == 6 {
		m.path = strings.TrimLeft(fields[5], " ")
	}
	return m, err
}
