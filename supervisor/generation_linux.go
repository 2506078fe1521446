package supervisor

import (
	"errors"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/sysreflect/sysreflect/policy"
)

// generationTick is how long random bytes that a program keeps ready can be: as
// old as this, and a little, they are thrown away, whatever happens to the machine.
const generationTick = time.Second

// tick is how often the guardian bumps the generation without a reason: only where
// the shim serves getrandom, since nobody else asked for it and each time wakes a
// processor.
func (r *run) tick() time.Duration {
	if r.plan.Binding("getrandom") == policy.BindShim {
		return generationTick
	}
	return 0
}

// Reseed makes generators inside of the programs throw away what random bytes they
// hold, and begin anew with the kernel's: the shim's, and those that follow
// __vdso_rng_generation (package vdsoshim). When it returns, no call that begins
// later returns such a byte. It is for whoever copied or restored the programs'
// memory; see docs/generation.md. It returns [os.ErrProcessDone] when no process is left.
func (c *Cmd) Reseed() error {
	if c.run == nil {
		return errors.New("supervisor: not started")
	}
	return c.run.region.bump()
}

// bump changes the generation: from an odd number to another, so never to 0. The
// guardian does the same in a mapping of its own.
func (r *region) bump() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.control == nil {
		return os.ErrProcessDone
	}
	atomic.AddUint64((*uint64)(unsafe.Pointer(&r.control[0])), 2)
	return nil
}
