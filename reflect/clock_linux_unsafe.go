package reflect

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The clocks are read by system call: it gives what the caller's own call would
// have given, for every clock, and is a small part of a served call's cost. The
// vDSO would not be safe in a supervisor that is itself run with another one.

// served says of a clock whether its time can be told for another process, and
// whether that depends on the process's time namespace.
//
// Left to the kernel: CPU-time clocks measure the caller; negative numbers name
// the CPU clock of a process or a descriptor of the caller; alarm clocks depend
// on the machine's hardware; and unknown clocks may be known to a later kernel.
func served(id int32) (ok, namespaced bool) {
	switch id {
	case unix.CLOCK_REALTIME, unix.CLOCK_REALTIME_COARSE, unix.CLOCK_TAI:
		return true, false
	case unix.CLOCK_MONOTONIC, unix.CLOCK_MONOTONIC_RAW, unix.CLOCK_MONOTONIC_COARSE, unix.CLOCK_BOOTTIME:
		return true, true
	}
	return false, false
}

// clockGettime follows sys_clock_gettime, kernel/time/posix-timers.c.
func clockGettime(c *Call) Result {
	id := int32(c.Args[0])
	ok, namespaced := served(id)
	if !ok || namespaced && !sameTimeNamespace(c.TID) {
		return leave
	}
	return clock(c, unix.SYS_CLOCK_GETTIME, id)
}

// clockGetres follows sys_clock_getres. The resolution is no namespace's.
func clockGetres(c *Call) Result {
	id := int32(c.Args[0])
	if ok, _ := served(id); !ok {
		return leave
	}
	if c.Args[1] == 0 {
		return Result{}
	}
	return clock(c, unix.SYS_CLOCK_GETRES, id)
}

func clock(c *Call, nr uintptr, id int32) Result {
	var ts unix.Timespec
	if _, _, errno := unix.RawSyscall(nr, uintptr(id), uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		return leave
	}
	s := getScratch()
	defer s.release()
	binary.NativeEndian.PutUint64(s[0:], uint64(ts.Sec))
	binary.NativeEndian.PutUint64(s[8:], uint64(ts.Nsec))
	if err := copyOut(c.Mem, c.Args[1], s[:16]); err != nil { // put_timespec64
		return fault(err)
	}
	return Result{}
}

// gettimeofday follows sys_gettimeofday, kernel/time/time.c: two stores for the
// time, then one copy for the zone, and whatever was stored stays.
func gettimeofday(c *Call) Result {
	tv, tz := c.Args[0], c.Args[1]
	var now unix.Timeval
	var zone [2]int32
	_, _, errno := unix.RawSyscall(unix.SYS_GETTIMEOFDAY,
		uintptr(unsafe.Pointer(&now)), uintptr(unsafe.Pointer(&zone)), 0)
	if errno != 0 {
		return leave
	}
	s := getScratch()
	defer s.release()
	if tv != 0 {
		binary.NativeEndian.PutUint64(s[0:], uint64(now.Sec))
		binary.NativeEndian.PutUint64(s[8:], uint64(now.Usec))
		if tv%PageSize <= PageSize-16 {
			if _, err := c.Mem.Write(tv, s[:16]); err != nil { // both at once
				return fault(err)
			}
		} else {
			if err := put(c.Mem, tv, s[:8]); err != nil {
				return fault(err)
			}
			if err := put(c.Mem, tv+8, s[8:16]); err != nil {
				return fault(err)
			}
		}
	}
	if tz != 0 {
		binary.NativeEndian.PutUint32(s[0:], uint32(zone[0]))
		binary.NativeEndian.PutUint32(s[4:], uint32(zone[1]))
		if err := copyOut(c.Mem, tz, s[:8]); err != nil {
			return fault(err)
		}
	}
	return Result{}
}

// timeSeconds follows sys_time. It asks the kernel for time(2) and not for
// CLOCK_REALTIME, which is up to a tick ahead of it.
func timeSeconds(c *Call) Result {
	now, _, errno := unix.RawSyscall(unix.SYS_TIME, 0, 0, 0)
	if errno != 0 {
		return leave
	}
	if addr := c.Args[0]; addr != 0 {
		s := getScratch()
		defer s.release()
		binary.NativeEndian.PutUint64(s[:], uint64(now))
		if err := put(c.Mem, addr, s[:8]); err != nil {
			return fault(err)
		}
	}
	return Result{Value: int64(now)}
}
