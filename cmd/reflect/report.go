//go:build linux && amd64

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
)

// Exit statuses of our own, those that env(1) and shells use.
const (
	statusNo         = 1   // doctor: not usable here
	statusOurs       = 125 // reflect itself failed, nothing was run
	statusNotRunning = 126 // found but can't be executed
	statusNotFound   = 127
)

// A statusError ends reflect with a status and no message.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// A hintError is an error with advice.
type hintError struct {
	error
	hint   string
	status int // 0 means statusOurs
}

func (e *hintError) Unwrap() error { return e.error }

// hinted returns err with advice.
func hinted(err error, hint string) error { return &hintError{error: err, hint: hint} }

// report prints err and returns the exit status that it means.
func report(err error) int {
	var status statusError
	var hint *hintError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	case reportPolicy(err):
		return statusOurs
	case errors.As(err, &hint):
		errorf("%v", err)
		if hint.hint != "" {
			say(os.Stderr, "36", "hint", hint.hint)
		}
		if hint.status != 0 {
			return hint.status
		}
		return statusOurs
	}
	errorf("%v", err)
	return statusOurs
}

// reportPolicy prints what is wrong with a policy, if that is what err is.
func reportPolicy(err error) bool {
	var all policy.Errors
	var one *policy.Error
	switch {
	case errors.As(err, &all) && len(all) > 0:
	case errors.As(err, &one):
		all = policy.Errors{one}
	default:
		return false
	}
	errorf("%v", all[0])
	if all[0].Hint != "" {
		say(os.Stderr, "36", "hint", all[0].Hint)
	}
	if n := len(all) - 1; n > 0 {
		more := "there is one more error"
		if n > 1 {
			more = fmt.Sprintf("there are %d more errors", n)
		}
		say(os.Stderr, "36", "hint", more+": reflect policy check "+all[0].Pos.File)
	}
	return true
}

func errorf(format string, args ...any) {
	say(os.Stderr, "31", "error", fmt.Sprintf(format, args...))
}

func warn(message string) { say(os.Stderr, "33", "warning", message) }

// say writes one line. Words from elsewhere (a path, a policy) must not make it
// two.
func say(w *os.File, color, kind, message string) {
	label := kind + ":"
	if colored(w) {
		label = "\x1b[1;" + color + "m" + label + "\x1b[0m"
	}
	fmt.Fprintf(w, "reflect: %s %s\n", label, oneLine(message))
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.TrimSpace(s))
}

func quote(s string) string { return fmt.Sprintf("%q", s) }

// colored reports whether w wants colours: a terminal, and nobody said no
// (no-color.org).
func colored(w *os.File) bool {
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	_, err := unix.IoctlGetTermios(int(w.Fd()), unix.TCGETS)
	return err == nil
}
