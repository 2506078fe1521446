package supervisor

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/reflect"
)

// This file is what deterministic random bytes (policy.Deterministic) need of a
// run.

// seeded serves getrandom from the run's streams. What has to be left to the
// kernel after all is not what the user was promised, so it is told.
func (r *run) seeded() reflect.Handler {
	h := reflect.Seeded(func(c *reflect.Call, n uint64) (*reflect.Stream, uint64, bool) {
		m := c.Mem.(*taskMemory)
		return r.streams.draw(c.TID, n, func() bool { return m.reach() == nil })
	})
	return reflect.HandlerFunc(func(c *reflect.Call) reflect.Result {
		res := h.Serve(c)
		if m := c.Mem.(*taskMemory); res.Continue && m.unreachable == 0 && m.s.waiting() {
			r.miss("getrandom had to be left to the kernel, whose bytes are not deterministic", "process "+strconv.Itoa(c.TID))
		}
		return res
	})
}

// depart notes who executes another program.
func (r *run) depart(t *tracee) departure {
	if r.streams == nil {
		return departure{}
	}
	return r.streams.depart(t.pid, r.first.Load() == int32(t.pid))
}

// arrive gives a fresh image, which is at its exec event, its streams: the 16
// bytes of AT_RANDOM, of which C libraries make the canary and Go the order of its
// maps, and the label that its children will be known by. That takes no call in
// the image, so images that can't have the shim get it as well.
func (r *run) arrive(t *tracee, d departure) {
	if r.streams == nil {
		return
	}
	if err := r.streams.enter(t, d); err != nil {
		r.miss("AT_RANDOM could not be set: "+err.Error(), t.String()+exeName(t.pid))
	}
}

func (s *streams) enter(t *tracee, d departure) error {
	var file, args []byte
	mem := reflect.ProcessMemory(t.pid)
	word := uint64(8)
	stack, err := func() (stack startStack, err error) {
		var regs unix.PtraceRegs
		if err := unix.PtraceGetRegs(t.tid, &regs); err != nil {
			return stack, err
		}
		if regs.Cs != userCS64 {
			word = 4
		}
		if stack, err = readStack(mem, regs.Rsp, word); err == nil {
			file, args, err = stack.command(mem)
		}
		return stack, err
	}()
	key := s.arrive(t.pid, d, file, args)
	if err != nil {
		return err
	}
	random := key.AtRandom()
	if _, err := mem.Write(stack.random, random[:]); err != nil {
		return err
	}
	if word == 8 {
		_, err = mem.Write(stack.null, binary.LittleEndian.AppendUint64(nil, key.Label()))
	}
	return err
}

const addrNoRandomize = 0x0040000 // ADDR_NO_RANDOMIZE, linux/personality.h

// fixedAddresses starts a process that, with all its descendants, has its memory
// at the same addresses each time, if the run is deterministic: what hashes or
// sorts by address is then the same too.
func (r *run) fixedAddresses(start func() (*keeper, error)) (*keeper, error) {
	if r.streams == nil {
		return start()
	}
	runtime.LockOSThread() // a personality is a thread's, and inherited
	defer runtime.UnlockOSThread()
	old, _, e := unix.RawSyscall(unix.SYS_PERSONALITY, 0xffffffff, 0, 0)
	if e == 0 {
		_, _, e = unix.RawSyscall(unix.SYS_PERSONALITY, old|addrNoRandomize, 0, 0)
	}
	if e != 0 { // a container's profile
		r.miss("programs' addresses stay random: personality: "+e.Error(), "")
		return start()
	}
	defer unix.RawSyscall(unix.SYS_PERSONALITY, old, 0, 0)
	return start()
}

// leaveStreams writes where the streams are into a successor's state, behind what
// is there already: nothing is drawn any more.
func (r *run) leaveStreams(file, at int) error {
	if r.streams == nil {
		return nil
	}
	b, err := r.streams.save()
	if err == nil {
		err = beyondFileSize(func() error {
			n, err := unix.Pwrite(file, b, int64(at))
			if err == nil && n < len(b) {
				return unix.EFBIG
			}
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("hand the random streams over: %w", err)
	}
	return nil
}

// takeStreams reads what leaveStreams wrote.
func (r *run) takeStreams(file *os.File, at int64) error {
	if r.streams == nil {
		return nil
	}
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("read the random streams: %w", err)
	}
	b := make([]byte, info.Size()-at)
	if _, err := file.ReadAt(b, at); err != nil {
		return fmt.Errorf("read the random streams: %w", err)
	}
	return r.streams.restore(b)
}
