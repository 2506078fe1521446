package workload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/sysreflect/sysreflect/experiment/launch"
	"github.com/sysreflect/sysreflect/experiment/results"
	"golang.org/x/sys/unix"
)

const redisName = "redis: 10000 requests by loopback"

// redis measures a server: the client runs natively, and is what is timed; the
// server runs in each way. What serves a way is started for each run anew and does
// some requests before, so that its sites are patched and its memory is there.
func (a *AllCalls) redis(ctx context.Context, run *results.Run, ways []Way, dir string) error {
	found, err := programs([]string{"redis-server", "redis-benchmark"})
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	c := &Command{Self: a.Reflect, Path: found["redis-server"], Args: []string{"redis-server"}, Dir: dir, Env: environment(dir)}
	if err := c.Open(ctx); err != nil {
		return err
	}
	once := func(ctx context.Context, w *Way) (launch.Result, error) {
		port, err := freePort()
		if err != nil {
			return launch.Result{}, err
		}
		stop, err := c.serve(w, port)
		if err != nil {
			return launch.Result{}, err
		}
		defer stop()
		if err := await(ctx, port); err != nil {
			return launch.Result{}, fmt.Errorf("%s: %w", w.Name, err)
		}
		client := *c
		client.Path = found["redis-benchmark"]
		for _, requests := range []int{500, 10000} {
			client.Args = []string{"redis-benchmark", "-h", "127.0.0.1", "-p", strconv.Itoa(port), "-t", "set", "-c", "10",
				"-n", strconv.Itoa(requests), "-q"}
			r, err := client.Once(ctx, &Way{Name: Native})
			if err != nil || requests == 10000 {
				// The client's processor time and memory say nothing of the server.
				return launch.Result{Wall: r.Wall, Status: r.Status}, err
			}
		}
		panic("unreachable")
	}
	plan := a.named(redisName)
	m, err := Measure(ctx, &Subject{Name: prefix + redisName, Ways: ways, Once: once, WallOnly: true}, &plan)
	err = errors.Join(err, c.Close())
	m.Into(run)
	return err
}

// serve starts the server; stop ends it.
func (c *Command) serve(w *Way, port int) (stop func(), err error) {
	args := append(c.Args[:len(c.Args):len(c.Args)], "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--daemonize", "no", "--loglevel", "warning")
	path := c.Path
	if w.Reflected() {
		path = c.Self
	}
	cmd := &exec.Cmd{Path: path, Args: w.command("reflect", args), Dir: c.Dir, Env: c.Env}
	// Ctrl-C is for us: the server is ended when the client is done.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", w.Name, err)
	}
	return func() {
		cmd.Process.Signal(unix.SIGTERM)
		late := time.AfterFunc(5*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
		late.Stop()
	}, nil
}

// loopback is 127.0.0.1. Package net is not used: it prepares a lot at every start
// of the program that this is linked into.
func loopback(port int) unix.Sockaddr {
	return &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
}

// freePort returns a port that nobody listens on, just now.
func freePort() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, loopback(0)); err != nil {
		return 0, err
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	return at.(*unix.SockaddrInet4).Port, nil
}

// await waits until somebody listens.
func await(ctx context.Context, port int) error {
	for range 1000 {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		err = unix.Connect(fd, loopback(port))
		unix.Close(fd)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return errors.New("the server did not listen within ten seconds")
}
