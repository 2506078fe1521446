// Package early does what must come before the initialisation of other packages.
// It imports nothing and its path comes before that of package syscall, so it
// precedes that (Go's specification, "Program initialization").
//
// The main goroutine gets a stack of the size that starting a program takes: to
// grow it step by step takes longer, more so the more functions are on it.
package early

// files is RLIMIT_NOFILE as this process got it: package syscall raises the soft
// limit.
var files [2]uint64

func init() {
	grow()
	prlimit(&files)
}

// Files is RLIMIT_NOFILE, soft and hard, as it was when this process was started;
// zeros where that is not known.
func Files() (soft, hard uint64) { return files[0], files[1] }

// Main is set by a command that runs the whole of a program, Start and Wait, in an
// init function: functions of that kind run on the first thread, and stay there
// (runtime.LockOSThread). So nothing needs to be locked to a thread, for which the
// runtime would start another; and while the command waits it has nothing else to do.
var Main bool

// LinkFlag has the linker enter a command before the Go runtime begins: what
// package starter of the supervisor is. It is for go build's -ldflags, as `make build` has it.
const LinkFlag = "-E=github.com/sysreflect/sysreflect/supervisor/internal/starter.entry"

func grow()

//go:noescape
func prlimit(files *[2]uint64)
