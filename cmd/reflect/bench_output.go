//go:build linux && amd64

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/cmd/reflect/internal/cli"
	"github.com/sysreflect/sysreflect/experiment/page"
	"github.com/sysreflect/sysreflect/experiment/results"
)

// outputFlags say where results go beside the terminal.
type outputFlags struct{ json, goFmt, html string }

func (f *outputFlags) register(flags *cli.Flags) {
	flags.String(&f.json, "json", "", "", "write everything to `file`, each sample too")
	flags.String(&f.goFmt, "go", "", "", "write Go benchmark format, for benchstat, to `file`")
	flags.String(&f.html, "html", "", "", "write one page with charts to `file`")
}

// An output is a form to write a run in, and where.
type output struct {
	to    *os.File
	fresh bool // the file is there because of us
	write func(*results.Run, io.Writer) error
}

type outputs []output

// open opens the files: one that can't be written is known before anything is
// measured. What is in them stays until there is something to write.
func (f *outputFlags) open() (out outputs, err error) {
	defer func() {
		if err != nil {
			out.discard()
		}
	}()
	for _, form := range []struct {
		flag, name string
		write      func(*results.Run, io.Writer) error
	}{
		{"--json", f.json, (*results.Run).WriteJSON},
		{"--go", f.goFmt, (*results.Run).WriteGo},
		{"--html", f.html, func(run *results.Run, w io.Writer) error { return page.Write(w, run) }},
	} {
		if form.name == "" {
			continue
		}
		o := output{to: os.Stdout, write: form.write}
		if form.name != "-" {
			_, missing := os.Lstat(form.name)
			if o.to, err = os.OpenFile(form.name, os.O_WRONLY|os.O_CREATE, 0o666); err != nil {
				return out, err
			}
			o.fresh = errors.Is(missing, os.ErrNotExist)
		}
		out = append(out, o)
		if slices.ContainsFunc(out[:len(out)-1], func(other output) bool { return sameFile(other.to, o.to) }) {
			return out, fmt.Errorf("%s %s: another form is written there, too", form.flag, form.name)
		}
	}
	return out, nil
}

// sameFile reports whether two are one regular file, or pipe, which holds one form.
func sameFile(a, b *os.File) bool {
	x, err := a.Stat()
	if err != nil {
		return false
	}
	y, err := b.Stat()
	return err == nil && os.SameFile(x, y) && (a == b || x.Mode()&os.ModeDevice == 0)
}

// discard closes the files, with nothing written.
func (out outputs) discard() {
	for _, o := range out {
		if o.to != os.Stdout {
			o.to.Close()
			if o.fresh {
				os.Remove(o.to.Name())
			}
		}
	}
}

// toStdout reports whether one of the forms has standard output.
func (out outputs) toStdout() bool {
	return slices.ContainsFunc(out, func(o output) bool { return o.to == os.Stdout })
}

// finish writes what was measured, also where that ended with an error, which it returns.
func (out outputs) finish(run *results.Run, failed error, text func(io.Writer) error) error {
	if failed != nil && (run == nil || len(run.Figures) == 0) {
		out.discard()
		return failed
	}
	return errors.Join(failed, out.write(run, text))
}

// write writes a run in the forms that were asked for, and as text unless one of
// them has standard output. What fails keeps nothing else from being written.
func (out outputs) write(run *results.Run, text func(io.Writer) error) error {
	var errs []error
	for _, o := range out {
		if o.to != os.Stdout {
			o.to.Truncate(0) // what can't be, a device or pipe, has nothing in it
		}
		errs = append(errs, o.write(run, o.to))
		if o.to != os.Stdout {
			errs = append(errs, o.to.Close())
		}
	}
	if !out.toStdout() {
		errs = append(errs, text(os.Stdout))
	}
	return errors.Join(errs...)
}

// ended is the error of a run: none, or that a signal ended it early, as a shell
// says it.
func ended(run *results.Run, first <-chan unix.Signal) error {
	if !run.Interrupted {
		return nil
	}
	return statusError(128 + int(<-first))
}

// untilSignal returns a context that the first signal ends, and which signal that
// was. The next one has its usual effect.
func untilSignal() (context.Context, <-chan unix.Signal) {
	ctx, cancel := context.WithCancel(context.Background())
	all, first := make(chan os.Signal, 1), make(chan unix.Signal, 1)
	signal.Notify(all, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	go func() {
		sig := <-all
		signal.Stop(all)
		first <- sig.(unix.Signal)
		cancel()
	}()
	return ctx, first
}
