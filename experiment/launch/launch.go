// Package launch runs one program from its start to its end and says what it
// took: wall time, processor time, memory.
//
// What forks, waits and reads the clock is a freestanding ELF built from
// src/launch.c, so that neither Go's scheduler nor its memory is measured: every
// program is started by the same few instructions. The program's processor time
// is that of itself and of all that it has waited for. Where the program is
// `reflect run`, its first process is the supervisor, whose own share is known
// apart.
//
// # Limits
//
// What a program leaves behind is not timed; it is ended, since it would run
// beside whatever is measured next.
package launch

import (
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

//go:generate ./build.sh

//go:embed launch.elf
var elf []byte

// A Launcher starts programs. Close it.
type Launcher struct{ file *os.File }

// New makes the launcher's executable: a memory file, or where these can't be
// executed a temporary one that has no name any more.
func New() (*Launcher, error) {
	file, err := inMemory()
	if err == nil {
		l := &Launcher{file}
		if err = l.works(); err == nil {
			return l, nil
		}
		l.Close()
	}
	file, e := inTemp()
	if e != nil {
		return nil, fmt.Errorf("make the launcher: %w", errors.Join(err, e))
	}
	return &Launcher{file}, nil
}

func inMemory() (*os.File, error) {
	fd, err := unix.MemfdCreate("reflect-launch", unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if err == unix.EINVAL { // Linux < 6.3 has no MFD_EXEC
		fd, err = unix.MemfdCreate("reflect-launch", unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	w := os.NewFile(uintptr(fd), "reflect-launch")
	defer w.Close()
	if _, err := w.Write(elf); err != nil {
		return nil, err
	}
	return readable("/proc/self/fd/" + strconv.Itoa(fd))
}

func inTemp() (*os.File, error) {
	w, err := os.CreateTemp("", "reflect-launch-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(w.Name())
	_, err = w.Write(elf)
	if err = errors.Join(err, w.Chmod(0o700), w.Close()); err != nil {
		return nil, err
	}
	return readable(w.Name())
}

// readable opens a file read-only, since what is open for writing can't be
// executed, with a number that the launcher's own descriptors don't take.
func readable(name string) (*os.File, error) {
	ro, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer ro.Close()
	fd, err := unix.FcntlInt(ro.Fd(), unix.F_DUPFD_CLOEXEC, 10)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "reflect-launch"), nil
}

func (l *Launcher) path() string { return "/proc/self/fd/" + strconv.Itoa(int(l.file.Fd())) }

// works tries it on itself, which has too few arguments then.
func (l *Launcher) works() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	_, err = l.Run(context.Background(), &Program{Path: "/proc/self/exe", Args: []string{"reflect-launch"}, Stdin: null, Stdout: null, Stderr: null})
	return err
}

// Close frees what New took.
func (l *Launcher) Close() error { return l.file.Close() }

// A Program is what is to be run.
type Program struct {
	Path                  string
	Args                  []string // with the program's name
	Env                   []string
	Dir                   string
	Stdin, Stdout, Stderr *os.File
}

// A Result is what a program took.
type Result struct {
	Wall         time.Duration // from before the fork until after the wait
	User, System time.Duration // of it and of all that it waited for
	Own          time.Duration // of its first process alone, in both modes
	Late         time.Duration // of what it left behind and did not wait for
	Memory       int64         // bytes: the most that any one of its processes had resident
	Status       unix.WaitStatus
	Left         int // processes that it left behind, and that were ended
}

// CPU is the processor time, User and System.
func (r *Result) CPU() time.Duration { return r.User + r.System }

// patience is how long a program may take to end when it is asked to.
const patience = 2 * time.Second

// Run runs a program. When ctx ends, the program is sent SIGTERM, and SIGKILL
// later; what it took until then is returned.
func (l *Launcher) Run(ctx context.Context, p *Program) (Result, error) {
	// The launcher dies with the thread that has forked it (PR_SET_PDEATHSIG).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r, w, err := os.Pipe()
	if err != nil {
		return Result{}, err
	}
	defer r.Close()
	pid, err := syscall.ForkExec(l.path(), append([]string{"reflect-launch", p.Path}, p.Args...), &syscall.ProcAttr{
		Dir: p.Dir, Env: p.Env, Files: []uintptr{p.Stdin.Fd(), p.Stdout.Fd(), p.Stderr.Fd(), w.Fd()},
	})
	w.Close()
	if err != nil {
		return Result{}, fmt.Errorf("start the launcher: %w", err)
	}
	said, err := readUntil(ctx, r, pid)
	var status unix.WaitStatus
	for {
		if _, e := unix.Wait4(pid, &status, 0, nil); e != unix.EINTR {
			err = errors.Join(err, e)
			break
		}
	}
	if err != nil {
		return Result{}, fmt.Errorf("wait for the launcher: %w", err)
	}
	return decode(said, status)
}

// readUntil reads what the launcher says, and asks it to end the program when ctx
// ends. Nothing is sent once it returns: the number could be another process's.
func readUntil(ctx context.Context, r io.Reader, launcher int) ([]byte, error) {
	ended, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-ctx.Done():
		case <-ended:
			return
		}
		unix.Kill(launcher, unix.SIGTERM)
		select {
		case <-time.After(patience):
			unix.Kill(launcher, unix.SIGTERM)
		case <-ended:
		}
	}()
	said, err := io.ReadAll(r)
	close(ended)
	<-stopped
	return said, err
}

// struct result of launch.c.
const (
	resultSize  = 64
	resultMagic = 0x4c415543
)

func decode(b []byte, launcher unix.WaitStatus) (Result, error) {
	if len(b) != resultSize || binary.LittleEndian.Uint32(b) != resultMagic {
		return Result{}, fmt.Errorf("the launcher ended with wait status %#x and said %d bytes", int(launcher), len(b))
	}
	if e := syscall.Errno(binary.LittleEndian.Uint32(b[4:])); e != 0 {
		return Result{}, e
	}
	word := func(i int) int64 { return int64(binary.LittleEndian.Uint64(b[16+8*i:])) }
	return Result{
		Status: unix.WaitStatus(binary.LittleEndian.Uint32(b[8:])),
		Left:   int(binary.LittleEndian.Uint32(b[12:])),
		Wall:   time.Duration(word(0)),
		User:   time.Duration(word(1)) * time.Microsecond,
		System: time.Duration(word(2)) * time.Microsecond,
		Memory: word(3) << 10,
		Own:    time.Duration(word(4)),
		Late:   time.Duration(word(5)) * time.Microsecond,
	}, nil
}
