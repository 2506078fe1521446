package meter

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

//go:generate ./build.sh

// The programs, as strings: they are data that nobody changes.
var (
	//go:embed meter.elf
	static string
	//go:embed meter-libc.elf
	dynamic string
)

// Files are the programs as files that can be executed.
type Files struct {
	dir             string
	Static, Dynamic string // paths
	Once            *os.File
}

// Write writes the programs where they can be executed. They must be files with
// names as long as sites in them are to be patched: the supervisor opens what a
// process has mapped by its name. Remove takes the names away.
func Write() (*Files, error) {
	var errs []error
	for _, dir := range []string{os.TempDir(), os.Getenv("XDG_RUNTIME_DIR"), "/dev/shm", "/var/tmp"} {
		if dir == "" {
			continue
		}
		f, err := writeTo(dir)
		if err == nil {
			f.Once, err = memory("meter", static)
		}
		if err == nil {
			return f, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", dir, err))
	}
	return nil, fmt.Errorf("nowhere to put a program: %w", errors.Join(errs...))
}

func writeTo(parent string) (f *Files, err error) {
	dir, err := os.MkdirTemp(parent, "reflect-bench-")
	if err != nil {
		return nil, err
	}
	f = &Files{dir: dir, Static: filepath.Join(dir, "meter"), Dynamic: filepath.Join(dir, "meter-libc")}
	defer func() {
		if err != nil {
			f.Remove()
		}
	}()
	if err := os.WriteFile(f.Static, []byte(static), 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(f.Dynamic, []byte(dynamic), 0o755); err != nil {
		return nil, err
	}
	// A file system that is mounted noexec says so only now.
	return f, exec.Command(f.Static, "exit").Run()
}

// Remove removes the files' names; programs that run go on, and Once stays.
func (f *Files) Remove() { os.RemoveAll(f.dir) }

// memory is a file without a name that can be executed as /proc/self/fd/N.
func memory(name, content string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.WriteString(content); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Memory is a file without a name, for what a child is to read by its descriptor.
func Memory(name string, content []byte) (*os.File, error) { return memory(name, string(content)) }
