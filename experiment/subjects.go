package experiment

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// subjects are programs as users have them, those that are installed.
func (b *Bench) subjects(ctx context.Context, seconds float64) (all []*subject, err error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	tree := filepath.Join(strings.TrimSpace(string(root)), "src", "net")
	repository, err := b.repository(ctx, tree)
	if err != nil {
		return nil, err
	}
	long := strconv.FormatFloat(seconds, 'f', 1, 64)
	add := func(s *subject) {
		if _, err := exec.LookPath(s.argv[0]); err == nil {
			all = append(all, s)
		}
	}
	add(&subject{key: "python-urandom", name: "python3, os.urandom and os.getrandom", argv: []string{pythons[0], "-c",
		"import os, time\nend = time.monotonic() + " + long + "\nwhile time.monotonic() < end: os.urandom(16), os.getrandom(16)"}})
	add(&subject{key: "python", name: "python3, walk.py", argv: []string{pythons[0], "-I", b.path("floor/walk.py"), long}})
	add(&subject{key: "node", name: "node, walk.js", argv: []string{"node", b.path("floor/walk.js"), long, tree}})
	add(&subject{key: "git-status", name: "git status", argv: []string{"git", "-C", repository, "status", "--short"}, whole: true})
	add(&subject{key: "git-log", name: "git log -p", argv: []string{"git", "-C", repository, "log", "-p"}, whole: true})
	add(&subject{key: "git-many", name: "git status and log, again and again", argv: []string{"sh", "-c",
		`end=$(($(date +%s) + ` + strconv.Itoa(int(seconds)) + `)); cd "$1"; while [ $(date +%s) -le $end ]; do git status --short; git log -p; done`,
		"sh", repository}})
	add(&subject{key: "go-http", name: "a Go HTTP server", argv: []string{b.path("web")}, load: func(ctx context.Context, in io.WriteCloser, out io.Reader) error {
		return get(ctx, out, seconds)
	}})
	socket := b.path("redis.socket")
	add(&subject{key: "redis", name: "redis-server", dir: b.dir,
		argv: []string{"redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no"},
		load: func(ctx context.Context, _ io.WriteCloser, out io.Reader) error {
			go io.Copy(io.Discard, out)
			return ask(ctx, socket, seconds)
		}})
	return all, nil
}

// repository makes a git repository with a history.
func (b *Bench) repository(ctx context.Context, tree string) (string, error) {
	dir := b.path("repository")
	if _, err := exec.LookPath("git"); err != nil {
		return dir, nil
	}
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.CopyFS(dir, os.DirFS(tree)); err != nil {
		return "", err
	}
	git := func(arg ...string) error {
		return command(ctx, "git", append([]string{"-C", dir, "-c", "user.name=n", "-c", "user.email=e", "-c", "gc.auto=0"}, arg...)...)
	}
	err := git("init", "-q")
	for i := range 20 {
		name := filepath.Join(dir, "history.txt")
		err = errors.Join(err, os.WriteFile(name, fmt.Append(nil, i, "\n"), 0o600), git("add", "."), git("commit", "-q", "-m", strconv.Itoa(i)))
	}
	return dir, err
}

// get asks a server that prints its address for pages, by four connections.
func get(ctx context.Context, out io.Reader, seconds float64) error {
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return err
	}
	end := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	errs := make([]error, 4)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			// A new connection now and then.
			for n := 0; time.Now().Before(end) && errs[i] == nil; n++ {
				errs[i] = page(ctx, strings.TrimSpace(line), n%100 == 99)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func page(ctx context.Context, address string, last bool) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/page", nil)
	if err != nil {
		return err
	}
	req.Close = last
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// ask has redis-benchmark work, and ends the server.
func ask(ctx context.Context, socket string, seconds float64) error {
	for n := 0; ; n++ {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
			break
		}
		if n == 100 {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	var err error
	for end := time.Now().Add(time.Duration(seconds * float64(time.Second))); time.Now().Before(end) && err == nil; {
		err = command(ctx, "redis-benchmark", "-s", socket, "-q", "-n", "20000", "-c", "10", "-t", "set,get,incr,lpush,lrange_100")
	}
	return errors.Join(err, command(ctx, "redis-cli", "-s", socket, "shutdown", "nosave"))
}

// Coverage counts what came by patched sites in programs as users have them.
func (b *Bench) Coverage(ctx context.Context) (*Coverage, error) {
	seconds := 3.0
	if b.Quick {
		seconds = 1.5
	}
	all, err := b.subjects(ctx, seconds)
	if err != nil {
		return nil, err
	}
	c := &Coverage{}
	for _, policy := range []string{"default", "all-calls"} {
		for _, s := range all {
			row, err := b.cover(ctx, s, policy)
			if err != nil {
				return nil, err
			}
			c.Rows = append(c.Rows, row)
		}
	}
	return c, nil
}
