package meter

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/sysreflect/sysreflect/experiment/machine"
)

// A Meter is one that runs.
type Meter struct {
	Name string // for errors
	PID  int    // of the process that was started: the meter itself, or what it runs under

	cmd    *exec.Cmd
	to     *os.File
	from   *os.File
	buf    bytes.Buffer
	errors limited
	ended  chan error
}

// A Command says how to start a meter.
type Command struct {
	Name  string     // for errors
	Argv  []string   // the meter's path, or a command that ends in it
	Env   []string   // added to the environment
	Files []*os.File // descriptors 3 and up
	CPU   int        // that all of the command is kept on, or machine.Anywhere
}

// Start starts a meter that is not pinned.
func Start(name string, argv, env []string, files ...*os.File) (*Meter, error) {
	return Command{name, argv, env, files, machine.Anywhere}.Start()
}

// Start starts a meter.
//
// It is in a process group of its own, so that Ctrl-C does not reach it: it ends
// when its standard input does, which is also when this process dies.
func (c Command) Start() (*Meter, error) {
	m := &Meter{Name: c.Name, ended: make(chan error, 1)}
	in, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	from, out, err := os.Pipe()
	if err != nil {
		in.Close()
		to.Close()
		return nil, err
	}
	m.to, m.from = to, from
	m.cmd = exec.Command(c.Argv[0], c.Argv[1:]...)
	m.cmd.Stdin, m.cmd.Stdout, m.cmd.Stderr = in, out, &m.errors
	m.cmd.Env = append(os.Environ(), c.Env...)
	m.cmd.ExtraFiles = c.Files
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = machine.StartOn(m.cmd, c.CPU)
	// Its ends are its own, or we would never see that it is gone.
	in.Close()
	out.Close()
	if err != nil {
		to.Close()
		from.Close()
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	m.PID = m.cmd.Process.Pid
	go func() { m.ended <- m.cmd.Wait() }()
	// That it is there, and what went wrong if not.
	if _, err := m.Have(Loop); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// lost says why a meter does not answer.
func (m *Meter) lost(err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("%s: %w", m.Name, err)
	}
	ended := m.wait(time.Second)
	if said := strings.TrimSpace(m.errors.String()); said != "" {
		return fmt.Errorf("%s: %s", m.Name, said)
	}
	if ended != nil {
		return fmt.Errorf("%s: ended: %w", m.Name, ended)
	}
	return fmt.Errorf("%s: ended", m.Name)
}

// wait waits for the end, and keeps what it was.
func (m *Meter) wait(while time.Duration) error {
	select {
	case err := <-m.ended:
		m.ended <- err
		return err
	case <-time.After(while):
		return errors.New("it does not end")
	}
}

// Close ends the meter. It may be called again.
func (m *Meter) Close() {
	m.end()
	defer m.from.Close()
	var ended error
	select {
	case ended = <-m.ended:
	case <-time.After(3 * time.Second):
		// Its supervisor kills what runs under it when it is killed.
		m.cmd.Process.Kill()
		ended = <-m.ended
	}
	m.ended <- ended // for who asks later
}
