package supervisor

import (
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

func TestReseed(t *testing.T) {
	plan, err := policy.Load("none") // nothing else bumps, but once after a tenth of a second
	if err != nil {
		t.Fatal(err)
	}
	c := Command(plan, "sleep", "60")
	if err := c.Reseed(); err == nil {
		t.Error("no error before the start")
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Kill()
	page, err := unix.Mmap(c.run.region.fd, vdsoshim.ControlOff, vdsoshim.PageSize, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(page)
	generation := func() uint64 { return atomic.LoadUint64((*uint64)(unsafe.Pointer(&page[0]))) }
	first := generation()
	for end := time.Now().Add(10 * time.Second); generation() == first && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	for i := range uint64(5) {
		if got := generation(); got != first+2*(i+1) || got%2 == 0 {
			t.Errorf("%d after %d changes from %d", got, i+1, first)
		}
		if err := c.Reseed(); err != nil {
			t.Error(err)
		}
	}
	c.Kill()
	if err := c.Reseed(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("after the end: %v", err)
	}
}

// TestTick: no wake-ups for a generator that does not serve.
func TestTick(t *testing.T) {
	for source, want := range map[string]time.Duration{"default": time.Second, "none": 0, "stub": 0} {
		plan, err := policy.Load(source)
		if err != nil {
			t.Fatal(err)
		}
		if got := newRun(plan).tick(); got != want {
			t.Errorf("%s: %v, not %v", source, got, want)
		}
	}
}
