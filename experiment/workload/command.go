package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/sysreflect/sysreflect/experiment/launch"
	"github.com/sysreflect/sysreflect/supervisor"
)

// A Command is a program that is measured.
type Command struct {
	Self string   // reflect itself
	Path string   // of the program
	Args []string // with its name
	Dir  string
	Env  []string // nil for that of this process

	Setup, Prepare, Cleanup string   // lines for sh: before all, before each run, after all
	Stdin, Output           *os.File // nil for nothing, and nowhere
	IgnoreFailure           bool

	launcher *launch.Launcher
	null     *os.File
	failures map[string]int // ignored, by way
	longest  time.Duration  // that it took
}

// Open takes what Once needs and runs Setup. Close it.
func (c *Command) Open(ctx context.Context) (err error) {
	if c.Env == nil {
		c.Env = os.Environ()
	}
	c.failures = map[string]int{}
	if c.launcher, err = launch.New(); err != nil {
		return err
	}
	if c.null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
		c.launcher.Close()
		return err
	}
	if err = c.shell(ctx, "setup", c.Setup); err != nil {
		c.null.Close()
		c.launcher.Close()
	}
	return err
}

// Close runs Cleanup, whatever happened to the context that Open had.
func (c *Command) Close() error {
	err := c.shell(context.Background(), "cleanup", c.Cleanup)
	c.null.Close()
	c.launcher.Close()
	return err
}

// shell runs a line natively.
func (c *Command) shell(ctx context.Context, what, line string) error {
	if line == "" {
		return nil
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", line)
	cmd.Dir, cmd.Env = c.Dir, c.Env
	cmd.Stdout, cmd.Stderr = c.Output, os.Stderr
	// What the line starts ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %q: %w", what, line, err)
	}
	return nil
}

// Once runs it once, after Prepare.
func (c *Command) Once(ctx context.Context, w *Way) (launch.Result, error) {
	return c.run(ctx, w)
}

func (c *Command) run(ctx context.Context, w *Way, more ...string) (launch.Result, error) {
	if err := c.shell(ctx, "prepare", c.Prepare); err != nil {
		return launch.Result{}, err
	}
	path := c.Path
	if w.Reflected() {
		path = c.Self
	}
	p := &launch.Program{Path: path, Args: w.command("reflect", c.Args, more...), Dir: c.Dir, Env: c.Env,
		Stdin: c.null, Stdout: c.null, Stderr: c.null}
	if c.Stdin != nil {
		if _, err := c.Stdin.Seek(0, 0); err != nil {
			return launch.Result{}, fmt.Errorf("read %s anew: %w", c.Stdin.Name(), err)
		}
		p.Stdin = c.Stdin
	}
	if c.Output != nil {
		p.Stdout, p.Stderr = c.Output, os.Stderr
	}
	r, err := c.launcher.Run(ctx, p)
	c.longest = max(c.longest, r.Wall)
	switch {
	case err != nil:
		return r, fmt.Errorf("%s: %s: %w", w.Name, path, err)
	case r.Status == 0:
	case c.IgnoreFailure:
		c.failures[w.Name]++
	default:
		return r, &FailedError{w.Name, r.Status}
	}
	return r, nil
}

// Failures says which failures were ignored.
func (c *Command) Failures(ways []Way) (notes []string) {
	for _, w := range ways {
		if n := c.failures[w.Name]; n > 0 {
			notes = append(notes, fmt.Sprintf("%s failed %d times", w.Name, n))
		}
	}
	return notes
}

// Count runs it once with counters. It waits for what the program leaves behind,
// too, but not for ever: that is ended then, and what was counted is told.
func (c *Command) Count(ctx context.Context, w *Way) (uint64, error) {
	file, err := os.CreateTemp("", "reflect-counters-")
	if err != nil {
		return 0, err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	limited, cancel := context.WithTimeout(ctx, 10*c.longest+3*time.Second)
	defer cancel()
	_, err = c.run(limited, w, "--stats=json", "--stats-file", file.Name())
	if err != nil && limited.Err() == nil {
		return 0, err
	}
	var counters supervisor.Counters
	if err := json.NewDecoder(file).Decode(&counters); err != nil {
		return 0, fmt.Errorf("%s: what it counted can't be read: %w", w.Name, err)
	}
	return reflected(&counters), nil
}

// reflected is the sum of all calls.
func reflected(c *supervisor.Counters) (n uint64) {
	for _, call := range c.Calls {
		n += call.Count
	}
	return n
}
