package supervisor

import (
	"fmt"

	"github.com/sysreflect/sysreflect/internal/early"
	"github.com/sysreflect/sysreflect/supervisor/internal/starter"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

// Begun reports whether this process has a program already, which was started before the Go
// runtime began: then Start takes that over, wherever its file is by now. It can only be
// so in a command that is linked for it, as reflect is.
func Begun() bool { return starter.Begun() }

// adopt takes over a program that was started before the Go runtime was, by package
// starter: it runs, with the default policy, and its calls wait for us.
func (c *Cmd) adopt(s *starter.Started) error {
	r := newRun(c.Plan)
	r.warn, r.base, r.listener, r.plain = c.Warn, s.Base, s.Listener, s.Plain()
	r.region = &region{fd: s.Region, counters: -1, control: s.Control(), image: s.Image()}
	if err := r.fillTable(c.Handlers); err != nil {
		return err
	}
	kernel, _, err := vdsoshim.Kernel()
	if err != nil {
		return fmt.Errorf("read the kernel's vDSO: %w", err)
	}
	r.syscallInsn, _ = kernel.SyscallInsn()
	if err := r.takePatching(); err != nil {
		return err
	}
	c.keeper = &keeper{pid: s.Guardian, conn: s.Connection, dir: c.Dir}
	if c.relay.active {
		c.relay.caught = new(caught)
		if err := c.relay.caught.goOn(); err != nil {
			return err
		}
	}
	if err := s.Unblock(); err != nil {
		return err
	}
	r.execs.Add(1)
	r.programs.Add(1)
	close(r.ran)
	c.has(r, s.PID)
	r.start()
	for _, b := range s.Adopt() {
		r.spawn(decodeNotification(&b)) // 16 at most
	}
	if c.inline = early.Main; !c.inline {
		go c.watch()
	}
	return nil
}
