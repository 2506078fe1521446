package integration

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A copier is a program that criu dumps and restores.
type copier struct {
	dir, file string // images, and what the program draws
	pid       int
	criu      string
}

// startCopied starts the victim copied, natively or under reflect.
func startCopied(t *testing.T, criu string, native bool) *copier {
	t.Helper()
	dir, err := os.MkdirTemp(scratch, "criu-")
	must(t, err)
	c := &copier{dir: dir, file: filepath.Join(dir, "drawn"), criu: criu}
	argv := []string{victim(t, "copied.c", "glibc"), c.file}
	if !native {
		argv = underReflect(nil, argv...)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	must(t, cmd.Start())
	ended := make(chan struct{})
	go func() { // at once: the copy gets its number
		cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
		if c.pid != 0 {
			syscall.Kill(c.pid, syscall.SIGKILL)
		}
	})
	eventually(t, 10*time.Second, "the program to draw", func() bool { return len(c.lines()) >= 20 })
	c.pid = cmd.Process.Pid
	if !native {
		below := descendants(c.pid)
		c.pid = below[len(below)-1]
	}
	return c
}

func (c *copier) lines() []string {
	b, _ := os.ReadFile(c.file)
	return strings.Fields(string(b))
}

// run runs criu with the images' directory. The error has what criu says of it.
func (c *copier) run(args ...string) error {
	log := filepath.Join(c.dir, args[0]+".log")
	args = append(args, "-D", c.dir, "-o", log, "-v1", "--shell-job")
	out, err := exec.Command(c.criu, args...).CombinedOutput()
	if err == nil {
		return nil
	}
	said, _ := os.ReadFile(log)
	return errors.New(strings.TrimSpace(string(out) + string(said)))
}

func (c *copier) dump() error { return c.run("dump", "-t", strconv.Itoa(c.pid)) }

// restored lets the image go on until it has drawn once more, and returns what.
func (c *copier) restored(t *testing.T) (string, error) {
	t.Helper()
	if err := c.run("restore", "-d"); err != nil {
		return "", err
	}
	before := len(c.lines())
	must(t, syscall.Kill(c.pid, syscall.SIGUSR1))
	eventually(t, 10*time.Second, "the copy to draw", func() bool { return len(c.lines()) > before })
	drawn := c.lines()[before]
	must(t, syscall.Kill(c.pid, syscall.SIGKILL))
	eventually(t, 10*time.Second, "the copy to end", func() bool { return !alive(c.pid) })
	return drawn, nil
}

// TestRestoredByCRIU restores a program twice from one image. Where criu can't do that
// to a program of the kernel's own, on this kernel, there is nothing to try: package
// vdsoshim restores registers and memory itself (TestRestoredTwice).
func TestRestoredByCRIU(t *testing.T) {
	needRoot(t)
	criu := need(t, "criu", "criu")
	native := startCopied(t, criu, true)
	err := native.dump()
	if err == nil {
		_, err = native.restored(t)
	}
	if err != nil {
		t.Skipf("criu can't dump and restore a program of its own here: %v", err)
	}
	c := startCopied(t, criu, false)
	before := c.lines()
	if err := c.dump(); err != nil {
		t.Logf("criu refuses a program under reflect, so nothing is copied: %v", err)
		must(t, syscall.Kill(c.pid, syscall.SIGUSR1))
		eventually(t, 10*time.Second, "the program to go on", func() bool { return len(c.lines()) > len(before) })
		return
	}
	var drawn []string
	for range 2 {
		bytes, err := c.restored(t)
		if err != nil {
			t.Logf("criu can't restore a program under reflect, so nothing is copied: %v", err)
			return
		}
		drawn = append(drawn, bytes)
	}
	if drawn[0] == drawn[1] || slices.Contains(before, drawn[0]) || slices.Contains(before, drawn[1]) {
		t.Errorf("the copies draw %q, the original drew %q", drawn, before)
	}
}
