package supervisor

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/reflect"
)

// This file looks at the file of an exec that waits, where the plan is strict: what
// can be foreseen is refused, so that the caller goes on and hears of it. The file
// may be another by the time that the kernel opens it, so what the image turns out
// to be still decides.

// maxScripts is how many interpreters an exec goes through (exec_binprm,
// fs/exec.c).
const maxScripts = 5

// refuse answers an exec of what can't be reflected, and reports whether it did.
func (r *run) refuse(n *notification) bool {
	reason := ""
	if r.signals && int32(n.pid) != r.first.Load() && r.filtered(int(n.pid)) {
		// Without the handoff, which that filter might kill for, it would be killed
		// by its first trapped call.
		reason = "the program has a seccomp filter of its own, under which it can't get a handler of SIGSYS"
	} else if r.plan.Strict {
		reason = foreseen(n)
	}
	if reason == "" || !notifValid(r.listener, n.id) {
		return false
	}
	r.miss(reason+": exec refused", fmt.Sprintf("process %d", n.pid))
	sendNotif(r.listener, &response{id: n.id, err: -int32(unix.EACCES)})
	return true
}

// foreseen says why the image that n asks for can't be reflected, or "".
func foreseen(n *notification) string {
	fd, err := openExecuted(n)
	for range maxScripts {
		if err != nil {
			return "" // the kernel finds out for itself what is wrong
		}
		var head [256]byte
		read, e := readAgain(fd, head[:])
		unix.Close(fd)
		switch {
		case e == unix.EACCES:
			return "the program's file can't be read, so its memory can't be reached"
		case e != nil:
			return ""
		case read >= 5 && string(head[:4]) == "\x7fELF":
			if head[4] == 1 { // ELFCLASS32, elf(5)
				return "32-bit program"
			}
			return ""
		}
		interpreter := scriptInterpreter(head[:read])
		if interpreter == "" {
			return ""
		}
		fd, err = openAs(int(n.pid), unix.AT_FDCWD, interpreter, 0)
	}
	return ""
}

// scriptInterpreter is the path behind #!, "" where there is none.
func scriptInterpreter(head []byte) string {
	rest, ok := bytes.CutPrefix(head, []byte("#!"))
	if !ok {
		return ""
	}
	line, _, _ := bytes.Cut(rest, []byte{'\n'})
	if words := strings.Fields(string(line)); len(words) > 0 {
		return words[0]
	}
	return ""
}

// openExecuted opens what an execve or execveat that waits names, as O_PATH.
func openExecuted(n *notification) (int, error) {
	dir, path, flags := unix.AT_FDCWD, n.args[0], uint64(0)
	if n.nr == unix.SYS_EXECVEAT {
		dir, path, flags = int(int32(n.args[0])), n.args[1], n.args[4]
	}
	var buf [unix.PathMax]byte
	read, err := reflect.ProcessMemory(int(n.pid)).Read(path, buf[:])
	end := bytes.IndexByte(buf[:read], 0)
	if end < 0 {
		if err == nil {
			err = unix.ENAMETOOLONG
		}
		return -1, err
	}
	return openAs(int(n.pid), dir, string(buf[:end]), int(flags))
}

// openAs opens path as thread tid would, whatever its root, directory and mounts.
func openAs(tid, dir int, path string, flags int) (int, error) {
	proc := "/proc/" + strconv.Itoa(tid) + "/"
	from, how := proc+"root", unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT}
	switch {
	case path == "" && flags&unix.AT_EMPTY_PATH != 0:
		return unix.Open(proc+"fd/"+strconv.Itoa(dir), unix.O_PATH|unix.O_CLOEXEC, 0)
	case strings.HasPrefix(path, "/"):
	case dir == unix.AT_FDCWD:
		from, how.Resolve = proc+"cwd", 0
	default:
		from, how.Resolve = proc+"fd/"+strconv.Itoa(dir), 0
	}
	if flags&unix.AT_SYMLINK_NOFOLLOW != 0 {
		how.Flags |= unix.O_NOFOLLOW
	}
	base, err := unix.Open(from, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(base)
	return unix.Openat2(base, path, &how)
}

// readAgain reads the beginning of a regular file that is open as O_PATH.
func readAgain(fd int, buf []byte) (int, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Mode&0o111 == 0 {
		return 0, unix.ENOEXEC
	}
	file, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(file)
	return unix.Pread(file, buf, 0)
}
