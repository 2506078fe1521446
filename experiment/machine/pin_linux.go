package machine

import (
	"errors"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// Anywhere as a processor means: not pinned.
const Anywhere = -1

// Allowed are the processors that this process may use.
func Allowed() (cpus []int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, err
	}
	for cpu := range 64 * len(set) {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

// Last is the highest processor that may be used: the first one often takes the
// interrupts.
func Last() (cpu int, err error) {
	cpus, err := Allowed()
	if err == nil && len(cpus) == 0 {
		err = errors.New("no processor may be used")
	}
	if err != nil {
		return 0, err
	}
	return cpus[len(cpus)-1], nil
}

// StartOn starts a command that is kept on one processor, with all that it starts.
// The new process inherits the affinity of the thread that forks.
func StartOn(cmd *exec.Cmd, cpu int) error {
	if cpu == Anywhere {
		return cmd.Start()
	}
	leave, err := StayOn(cpu)
	if err != nil {
		return err
	}
	return errors.Join(cmd.Start(), leave())
}

// StayOn keeps the calling goroutine, and its thread, on one processor until it leaves. What
// it starts meanwhile is kept there, too.
func StayOn(cpu int) (leave func() error, err error) {
	runtime.LockOSThread()
	var all, one unix.CPUSet
	one.Set(cpu)
	if err = unix.SchedGetaffinity(0, &all); err == nil {
		err = unix.SchedSetaffinity(0, &one)
	}
	if err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	return func() error {
		defer runtime.UnlockOSThread()
		return unix.SchedSetaffinity(0, &all)
	}, nil
}
