package reflect

import "golang.org/x/sys/unix"

const (
	grndKnown = unix.GRND_NONBLOCK | unix.GRND_RANDOM | unix.GRND_INSECURE
	// maxRandom is what is served here. Generating 64 KiB takes about 150 µs,
	// in which the caller can't be stopped; the kernel can be interrupted.
	maxRandom = 64 << 10
)

// getrandom follows sys_getrandom and get_random_bytes_user, drivers/char/random.c
// of Linux 5.19 and later. One thing differs within what getrandom(2) allows: a
// signal that arrives during a request of several pages does not shorten it.
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
	// Before the kernel looks at the buffer it waits for its generator, or
	// says EAGAIN; it knows which.
	own := int(flags) | unix.GRND_NONBLOCK
	if ok := accessOK(addr, n); n == 0 || !ok {
		_, _, errno := unix.RawSyscall(unix.SYS_GETRANDOM, 0, 0, uintptr(own))
		switch {
		case errno != 0:
			return leave
		case !ok:
			return Result{Errno: unix.EFAULT}
		}
		return Result{}
	}
	s := getScratch()
	defer func() {
		clear(s[:min(n, PageSize)]) // the bytes are the program's secret from now on
		s.release()
	}()
	done := uint64(0)
	for done < n {
		// To the page border, so that a page is generated only when the one
		// before it could be written.
		b := s[:min(n-done, PageSize-(addr+done)%PageSize)]
		// EAGAIN is the only error: not ready.
		if k, err := randomBytes(b, own); err != nil || k != len(b) {
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
