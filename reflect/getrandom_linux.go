package reflect

import "golang.org/x/sys/unix"

const (
	grndKnown = unix.GRND_NONBLOCK | unix.GRND_RANDOM | unix.GRND_INSECURE
	// maxRandom is what is served here. Generating 64 KiB takes about 150 µs,
	// in which the caller can't be stopped; the kernel can be interrupted.
	maxRandom = 64 << 10
)

// getrandom follows sys_getrandom and get_random_bytes_user, drivers/char/random.c
// of Linux 5.19 and later. Two things can't be seen from here and can't be seen
// by the program either: a signal that arrives during a long request does not
// shorten it, and a buffer that is unmapped meanwhile is noticed a page at a time.
func getrandom(c *Call) Result {
	addr, n, flags := c.Args[0], c.Args[1], uint32(c.Args[2])
	if flags&^grndKnown != 0 {
		return Result{Errno: unix.EINVAL}
	}
	const both = unix.GRND_INSECURE | unix.GRND_RANDOM
	if flags&both == both {
		return Result{Errno: unix.EINVAL}
	}
	// More than 64 KiB: see maxRandom. The kernel also does the capping at
	// MAX_RW_COUNT and the check of the whole range.
	if n > maxRandom {
		return leave
	}
	own := int(flags) | unix.GRND_NONBLOCK
	if n == 0 || nearTop(addr, n) {
		// access_ok is the one check left, and the kernel answers it for
		// this process as for any other: the border is the processor's.
		if r := askAccess(addr, n, own); r.Errno != 0 || r.Continue || n == 0 {
			return r
		}
	}
	s := getScratch()
	defer func() {
		clear(s[:]) // the bytes are the program's secret from now on
		s.release()
	}()
	done := uint64(0)
	for done < n {
		// To the page border, so that a page is generated only when the one
		// before it could be written.
		b := s[:min(n-done, PageSize-(addr+done)%PageSize)]
		// Not ready: the caller has to wait, or gets EAGAIN; the kernel
		// knows which.
		if k, err := unix.Getrandom(b, own); err != nil || k != len(b) {
			if done == 0 {
				return leave
			}
			break
		}
		k, err := c.Mem.Write(addr+done, b)
		done += uint64(k)
		if err != nil {
			if done == 0 || err != unix.EFAULT {
				return fault(err)
			}
			break
		}
	}
	return Result{Value: int64(done)}
}

// nearTop reports whether a buffer ends where the kernel's access_ok may refuse
// it as a whole: near or above the lowest border that an x86-64 kernel has.
func nearTop(addr, n uint64) bool { return addr+n >= 1<<47-PageSize || addr+n < addr }

// askAccess lets the kernel check an address range without touching it.
func askAccess(addr, n uint64, flags int) Result {
	if addr+n < addr {
		return Result{Errno: unix.EFAULT}
	}
	_, _, errno := unix.RawSyscall(unix.SYS_GETRANDOM, uintptr(addr+n), 0, uintptr(flags))
	if errno == unix.EAGAIN {
		return leave
	}
	return Result{Errno: errno}
}
