package reflect

import "golang.org/x/sys/unix"

// Seeded returns a handler for getrandom whose bytes come from streams. Of each
// call that the kernel would accept, take is asked whose n bytes it gets: a
// stream, and the position of the first. It is asked once a call, and bytes that
// can't be stored are lost. Where it returns false the call is left to the kernel.
//
// All else is as the kernel does it, but that a generator of this kind is always
// ready, and no signal shortens a long request: how far that had come would be
// chance. While a request of some MiB is served (1.5 ms each), the caller can't be
// stopped, though it can be killed.
func Seeded(take func(c *Call, n uint64) (s *Stream, pos uint64, ok bool)) Handler {
	return native(func(c *Call) Result {
		addr, n, flags := c.Args[0], min(c.Args[1], maxTransfer), uint32(c.Args[2])
		switch {
		case !knownFlags(flags):
			return Result{Errno: unix.EINVAL}
		case !accessOK(addr, n):
			return Result{Errno: unix.EFAULT}
		case n == 0:
			return Result{}
		}
		s, pos, ok := take(c, n)
		if !ok {
			return leave
		}
		write := func(addr uint64, b []byte) (int, error) { return writeGrowing(c, addr, b) }
		done, err := deliver(write, addr, n, func(b []byte, before uint64) bool {
			s.Fill(b, pos+before)
			return true
		})
		if err != nil && done == 0 {
			return fault(err)
		}
		return Result{Value: int64(done)}
	})
}

// writeGrowing stores p as the kernel stores a call's result: a stack grows for
// it. Handlers that may leave a call to the kernel don't need that.
func writeGrowing(c *Call, addr uint64, p []byte) (int, error) {
	n, err := c.Mem.Write(addr, p)
	if err != ErrOutOfReach {
		return n, err
	}
	k, err := writeUnderStack(c.TID, addr+uint64(n), p[n:])
	return n + k, err
}
