package probe

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tryCgroupKill makes a cgroup below our own, puts a child into it and kills it.
func tryCgroupKill(n *nursery, r *Report, f *Feature) {
	own, err := ownCgroup()
	if err != nil {
		f.Status, f.Why = No, err.Error()
		return
	}
	dir := filepath.Join(own, fmt.Sprintf("reflect-probe-%d-%d", os.Getpid(), unix.Gettid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		f.Status, f.Why = No, "may not make a cgroup here: "+cause(err)
		return
	}
	defer func() { // busy until the child is gone entirely
		for range 100 {
			if os.Remove(dir) == nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	c, err := n.start("wait")
	if err != nil {
		f.Status, f.Why = Unknown, err.Error()
		return
	}
	killed := false
	defer func() {
		if !killed {
			c.kill()
		}
		c.wait()
	}()
	if err := write(dir, "cgroup.procs", strconv.Itoa(c.process.Pid)); err != nil {
		f.Status, f.Why = No, "may not move a process: "+cause(err)
		return
	}
	if err := write(dir, "cgroup.kill", "1"); err != nil {
		f.Status, f.Why = No, "cgroup.kill: "+cause(err)
		if errors.Is(err, fs.ErrNotExist) && !atLeast(r.Kernel, f.Since) {
			f.Why = "needs Linux " + f.Since
		}
		return
	}
	select {
	case <-c.ended:
		killed, f.Status = true, Yes
	case <-time.After(patience / 2):
		f.Status, f.Why = No, "cgroup.kill had no effect"
	}
}

func write(dir, file, s string) error {
	fd, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fd.WriteString(s)
	return errors.Join(err, fd.Close())
}

// cause is an error without the path, which is long and names our process.
func cause(err error) string {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}

// ownCgroup returns the directory of our cgroup in the unified hierarchy.
func ownCgroup() (string, error) {
	path := ""
	for line := range strings.Lines(read("/proc/self/cgroup")) {
		if p, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			path = p
		}
	}
	if path == "" {
		return "", errors.New("this process is in no cgroup of version 2")
	}
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	defer mounts.Close()
	for s := bufio.NewScanner(mounts); s.Scan(); {
		// 36 35 98:0 /root /mount/point options - type source
		before, after, ok := strings.Cut(s.Text(), " - ")
		fields := strings.Fields(before)
		if !ok || len(fields) < 5 || !strings.HasPrefix(after, "cgroup2 ") {
			continue
		}
		rel, err := filepath.Rel(fields[3], path)
		if err != nil || strings.HasPrefix(rel, "..") {
			continue // our cgroup is outside of what is mounted
		}
		return filepath.Join(fields[4], rel), nil
	}
	return "", errors.New("no cgroup hierarchy of version 2 is mounted")
}
