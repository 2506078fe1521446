package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

var (
	// ErrUnavailable is wrapped by errors about words of the policy language
	// that this version does not carry out.
	ErrUnavailable = errors.New("not available in this version")
	// ErrUnknown is wrapped by errors about words that mean nothing here: a
	// call, set, preset, mechanism, action, errno or key.
	ErrUnknown = errors.New("unknown word")
)

// An Error is one thing wrong with a policy.
type Error struct {
	Pos  Pos    // where; without a line for a policy built in Go
	Msg  string // what is wrong
	Hint string // what was meant or is allowed, may be empty
	Err  error  // what it wraps, may be nil

	line string // the source line, for Excerpt
}

// Error returns one line: the place and the message, without the hint.
func (e *Error) Error() string {
	if s := e.Pos.String(); s != "" {
		return s + ": " + e.Msg
	}
	return e.Msg
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// Excerpt returns the source line with a caret under the place, or "" where
// there is no source.
func (e *Error) Excerpt() string {
	if e.line == "" || e.Pos.Column < 1 {
		return ""
	}
	line := []rune(e.line)
	col := min(e.Pos.Column-1, len(line))
	// A long line is cut to the neighbourhood of the place.
	const before, width = 60, 100
	cut := 0
	if len(line) > width {
		cut = max(0, min(col-before, len(line)-width))
	}
	end := min(len(line), cut+width)
	nr := fmt.Sprintf("%5d | ", e.Pos.Line)
	pad := strings.Repeat(" ", len(nr)-2) + "| "
	return nr + printable(line[cut:end]) + "\n" + pad + strings.Repeat(" ", col-cut) + "^"
}

// printable replaces what would move the cursor or the caret: a policy may
// come from anywhere, and its excerpt goes to a terminal.
func printable(line []rune) string {
	out := slices.Clone(line)
	for i, r := range out {
		if r == '\t' {
			out[i] = ' '
		} else if r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0x200b && r <= 0x202e || r == 0xfeff {
			out[i] = '?'
		}
	}
	return string(out)
}

// Errors are all that is wrong with a policy, in the order of the source.
type Errors []*Error

// Error returns the first, and how many more there are.
func (es Errors) Error() string {
	switch len(es) {
	case 0:
		return "no error"
	case 1:
		return es[0].Error()
	}
	return fmt.Sprintf("%v (and %d more)", es[0], len(es)-1)
}

// Unwrap returns all of them.
func (es Errors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}

// err returns es as an error, nil where there is none.
func (es Errors) err() error {
	if len(es) == 0 {
		return nil
	}
	return es
}

func failf(format string, args ...any) *Error { return &Error{Msg: fmt.Sprintf(format, args...)} }

func (e *Error) hint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

func (e *Error) wrap(err error) *Error {
	e.Err = err
	return e
}

func (e *Error) at(p Pos) *Error {
	e.Pos = p
	return e
}
