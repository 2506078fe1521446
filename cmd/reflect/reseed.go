//go:build linux && amd64

package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/sysreflect/sysreflect/cmd/reflect/internal/cli"

	"github.com/sysreflect/sysreflect/supervisor/trees"
)

func reseedCommand() *cli.Command {
	return &cli.Command{
		Use:   "reseed [PID]...",
		Short: "make running programs throw away random bytes that they hold",
		Long: "Reseed makes the generators of random bytes inside of running programs begin anew with the\n" +
			"kernel's, after their memory was copied or restored. PID is a reflect run, or any process\n" +
			"under it; without, all programs of this user are meant, or of all users for root. It prints\n" +
			"for each tree of processes the PID that serves it and a name. Its exit status is 1 where\n" +
			"there is none, or where one could not be reseeded.",
		Example: "  reflect reseed\n" +
			"  reflect reseed $(pidof nginx)",
		Args: func(_ *cli.Command, args []string) error {
			for _, arg := range args {
				if _, err := processID(arg); err != nil {
					return err
				}
			}
			return nil
		},
		Run: func(_ *cli.Command, args []string) error { return reseed(args) },
	}
}

func processID(arg string) (int, error) {
	pid, err := strconv.ParseInt(arg, 10, 32)
	if err != nil || pid <= 0 {
		return 0, hinted(fmt.Errorf("%q is not a process id", arg), "reflect reseed [PID]...")
	}
	return int(pid), nil
}

func reseed(args []string) error {
	pids := []int{0}
	if len(args) > 0 {
		pids = pids[:0]
		for _, arg := range args {
			pid, err := processID(arg)
			if err != nil {
				return err
			}
			pids = append(pids, pid)
		}
	}
	done := map[int]bool{}
	failed := false
	for _, pid := range pids {
		found, err := trees.Reseed(pid)
		for _, t := range found {
			if !done[t.Supervisor] {
				fmt.Fprintf(os.Stdout, "%d %s\n", t.Supervisor, oneLine(t.Name))
			}
			done[t.Supervisor] = true
		}
		if err != nil {
			failed = true
			for _, err := range apart(err) {
				errorf("%v", err)
			}
		}
	}
	if failed {
		return statusError(statusNo)
	}
	return nil
}

// apart takes joined errors apart: each is a line.
func apart(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
