package reflect

import "golang.org/x/sys/unix"

const (
	grndKnown = unix.GRND_NONBLOCK | unix.GRND_RANDOM | unix.GRND_INSECURE
	// maxRandom is what is served here of the kernel's bytes. Generating 64 KiB
	// takes about 150 µs, in which the caller can't be stopped; the kernel can
	// be interrupted.
	maxRandom = 64 << 10
	// maxTransfer is what the kernel cuts a request down to, MAX_RW_COUNT.
	maxTransfer = 1<<31 - PageSize
)

// knownFlags reports whether getrandom accepts flags.
func knownFlags(flags uint32) bool {
	const both = unix.GRND_INSECURE | unix.GRND_RANDOM
	return flags&^grndKnown == 0 && flags&both != both
}

// getrandom follows sys_getrandom and get_random_bytes_user, drivers/char/random.c
// of Linux 5.19 and later. One thing differs within what getrandom(2) allows: a
// signal that arrives during a request of several pages does not shorten it.
func getrandom(c *Call) Result {
	addr, n, flags := c.Args[0], c.Args[1], uint32(c.Args[2])
	if !knownFlags(flags) {
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
	done, err := deliver(c.Mem.Write, addr, n, func(b []byte, _ uint64) bool {
		// EAGAIN is the only error: not ready.
		k, err := randomBytes(b, own)
		return err == nil && k == len(b)
	})
	if err != nil && (done == 0 || err != unix.EFAULT) {
		return fault(err)
	}
	return Result{Value: int64(done)}
}

// deliver stores n bytes at addr as get_random_bytes_user does: page by page, up
// to the first that can't be written. The bytes are made by next, which is told
// how many there were before; it returns false where it has none, and then the
// error is unix.EAGAIN.
func deliver(write func(addr uint64, b []byte) (int, error), addr, n uint64, next func(b []byte, before uint64) bool) (done uint64, err error) {
	s := getScratch()
	defer func() {
		clear(s[:min(n, PageSize)]) // the bytes are the program's secret from now on
		s.release()
	}()
	for done < n {
		// To the page border, so that a page is generated only when the one
		// before it could be written.
		b := s[:min(n-done, PageSize-(addr+done)%PageSize)]
		if !next(b, done) {
			return done, unix.EAGAIN
		}
		k, err := write(addr+done, b)
		done += uint64(k)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}
