//go:build linux && amd64

package main

import (
	"context"
	"io"
	"os"
	"os/signal"

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

// outputs are the forms to write a run in, and where.
type outputs []struct {
	to    *os.File
	write func(*results.Run, io.Writer) error
}

// open opens the files: one that can't be written is known before anything is
// measured.
func (f *outputFlags) open() (out outputs, err error) {
	for _, form := range []struct {
		name  string
		write func(*results.Run, io.Writer) error
	}{
		{f.json, (*results.Run).WriteJSON},
		{f.goFmt, (*results.Run).WriteGo},
		{f.html, func(run *results.Run, w io.Writer) error { return page.Write(w, run) }},
	} {
		to := os.Stdout
		if form.name == "" {
			continue
		}
		if form.name != "-" {
			if to, err = os.Create(form.name); err != nil {
				return nil, err
			}
		}
		out = append(out, struct {
			to    *os.File
			write func(*results.Run, io.Writer) error
		}{to, form.write})
	}
	return out, nil
}

// write writes a run in the forms that were asked for, and as text unless one of
// them has standard output.
func (out outputs) write(run *results.Run, text func(io.Writer) error) error {
	for _, o := range out {
		if err := o.write(run, o.to); err != nil {
			return err
		}
		if o.to == os.Stdout {
			text = nil
		} else if err := o.to.Close(); err != nil {
			return err
		}
	}
	if text == nil {
		return nil
	}
	return text(os.Stdout)
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
