//go:build linux && amd64

package main

import (
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// lookPath finds a program as execvp(3) and so env(1) does: a name with a slash
// is a path, an empty PATH element is the current directory, and a file that is
// found but can't be executed is EACCES and not a file that isn't there.
// exec.LookPath differs in all three.
func lookPath(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	path, ok := os.LookupEnv("PATH")
	if !ok {
		path = "/bin:/usr/bin" // confstr(3), _CS_PATH
	}
	err := error(exec.ErrNotFound)
	if name == "" {
		return name, err
	}
	for _, dir := range strings.Split(path, ":") {
		if dir == "" {
			dir = "."
		}
		file := dir + "/" + name // as it is: a script sees it in $0
		switch info, e := os.Stat(file); {
		case e != nil:
		case info.Mode().IsRegular() && unix.Faccessat(unix.AT_FDCWD, file, unix.X_OK, unix.AT_EACCESS) == nil:
			return file, nil
		default:
			err = unix.EACCES
		}
	}
	return name, err
}
