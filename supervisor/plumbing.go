package supervisor

import (
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// plumbing connects the program's descriptors with readers and writers, as
// os/exec does.
type plumbing struct {
	files  []*os.File // the program's, from 0 on
	theirs []*os.File // of files, those to close once the program has them
	copied sync.WaitGroup
	mu     sync.Mutex
	err    error
	ours   []*os.File
	copies []func()
}

func (p *plumbing) connect(stdin io.Reader, stdout, stderr io.Writer, extra []*os.File) error {
	if err := p.input(stdin); err != nil {
		return err
	}
	if err := p.output(stdout); err != nil {
		return err
	}
	if stderr != nil && same(stdout, stderr) {
		p.files = append(p.files, p.files[1])
	} else if err := p.output(stderr); err != nil {
		return err
	}
	p.files = append(p.files, extra...)
	return nil
}

// same reports whether a and b are one writer; types that can't be compared
// are not.
func same(a, b any) (eq bool) {
	defer func() { _ = recover() }()
	return a == b
}

func (p *plumbing) null(flag int) error {
	f, err := os.OpenFile(os.DevNull, flag, 0)
	if err != nil {
		return err
	}
	p.files, p.theirs = append(p.files, f), append(p.theirs, f)
	return nil
}

func (p *plumbing) input(r io.Reader) error {
	if r == nil {
		return p.null(os.O_RDONLY)
	}
	if f, ok := r.(*os.File); ok {
		p.files = append(p.files, f)
		return nil
	}
	pr, pw, err := os.Pipe()
	if err != nil {
		return err
	}
	pr.Fd() // makes it blocking again, as programs expect
	p.files, p.theirs, p.ours = append(p.files, pr), append(p.theirs, pr), append(p.ours, pw)
	p.copies = append(p.copies, func() {
		_, err := io.Copy(pw, r)
		if errors.Is(err, unix.EPIPE) {
			err = nil // the program did not want it all
		}
		p.note(errors.Join(err, pw.Close()))
	})
	return nil
}

func (p *plumbing) output(w io.Writer) error {
	if w == nil {
		return p.null(os.O_WRONLY)
	}
	if f, ok := w.(*os.File); ok {
		p.files = append(p.files, f)
		return nil
	}
	pr, pw, err := os.Pipe()
	if err != nil {
		return err
	}
	pw.Fd() // blocking again
	p.files, p.theirs, p.ours = append(p.files, pw), append(p.theirs, pw), append(p.ours, pr)
	p.copies = append(p.copies, func() {
		_, err := io.Copy(w, pr)
		p.note(errors.Join(err, pr.Close()))
	})
	return nil
}

func (p *plumbing) note(err error) {
	if err != nil {
		p.mu.Lock()
		p.err = errors.Join(p.err, err)
		p.mu.Unlock()
	}
}

// started lets go of the program's ends and starts copying.
func (p *plumbing) started() {
	for _, f := range p.theirs {
		f.Close()
	}
	for _, c := range p.copies {
		p.copied.Go(c)
	}
}

// abandon releases everything of a program that never ran.
func (p *plumbing) abandon() {
	for _, f := range append(p.theirs, p.ours...) {
		f.Close()
	}
}

func (p *plumbing) wait() error {
	p.copied.Wait()
	return p.err
}
