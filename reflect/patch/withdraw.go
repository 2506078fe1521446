package patch

import (
	"encoding/binary"
	"time"

	"github.com/sysreflect/sysreflect/vdsoshim"
)

// withdrawWait bounds how long another patch is waited for: see [Patcher.Patch].
const withdrawWait = 100 * time.Millisecond

// Withdraw has the calls of process pid made at their sites again that records make, and
// lets no site have a record there any more. A process asks for it that is going to look at the
// addresses of its calls. Answers that need no record stay.
//
// The process may run: a thread that is in a record makes its call there.
func (p *Patcher) Withdraw(pid int, valid func() bool) error {
	for end := time.Now().Add(withdrawWait); !p.making.TryLock(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return ErrBusy
		}
	}
	defer p.making.Unlock()
	proc, err := open(pid)
	if err != nil {
		return err
	}
	defer proc.close()
	if !valid() {
		return errUnmapped
	}
	return withdraw(proc, p.base)
}

func withdraw(m memory, base uint64) error {
	found, err := areas(m, base)
	if err != nil {
		return err
	}
	a := &found[0]
	b := a.content(m)
	full := binary.LittleEndian.AppendUint64(nil, a.size)
	if err := m.write(a.start, full); err != nil {
		return forbidden(err)
	}
	for off := header; off+vdsoshim.StubSize <= len(b); off += vdsoshim.StubSize {
		if !vdsoshim.IsRecord(b[off : off+vdsoshim.StubSize]) {
			continue
		}
		if err := m.write(a.start+uint64(off), vdsoshim.Withdrawn()); err != nil {
			return forbidden(err)
		}
	}
	return nil
}
