package experiment

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/sysreflect/sysreflect/experiment/machine"
	"github.com/sysreflect/sysreflect/internal/early"
)

//go:embed floor/*.c floor/*.h floor/*.py floor/*.js floor/*.yaml
var sources embed.FS

// ErrCompiler means that the programs in C could not be built.
var ErrCompiler = errors.New("gcc is needed to build the measuring programs")

// hosted programs use a C library, bare ones bring their own first instruction.
var (
	hosted = []string{"launch", "herd", "tax", "notify", "sigsys", "ptrace", "ptrace_all", "handoff", "generator", "random"}
	bare   = []string{"tiny", "probe", "sites", "first"}
)

// A Bench holds the programs that measure, built in a directory of their own.
type Bench struct {
	dir     string
	reflect string // the binary measured
	cpu     int    // the processor that is pinned to
	// Quick makes everything short, to see that it works.
	Quick bool
}

// New builds the measuring programs, and reflect unless the path of one is given.
func New(ctx context.Context, reflect string) (*Bench, error) {
	dir, err := os.MkdirTemp("", "reflect-bench-")
	if err != nil {
		return nil, err
	}
	b := &Bench{dir: dir, reflect: reflect}
	if err := b.build(ctx); err != nil {
		b.Close()
		return nil, err
	}
	b.cpu, err = machine.Last()
	return b, err
}

// Close removes what New built.
func (b *Bench) Close() error { return os.RemoveAll(b.dir) }

func (b *Bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *Bench) build(ctx context.Context) error {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCompiler, err)
	}
	if err := os.CopyFS(b.dir, sources); err != nil {
		return err
	}
	compile := func(name string, flags ...string) error {
		args := append([]string{"-O2", "-Wall", "-static", "-o", b.path(name)}, flags...)
		if err := command(ctx, gcc, append(args, b.path("floor/"+name+".c"))...); err != nil {
			return fmt.Errorf("%w (with its static C library): %w", ErrCompiler, err)
		}
		return nil
	}
	for _, name := range hosted {
		if err := compile(name); err != nil {
			return err
		}
	}
	for _, name := range bare {
		err := compile(name, "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fcf-protection=none")
		if err != nil {
			return err
		}
	}
	const module = "github.com/sysreflect/sysreflect/"
	for name, pkg := range map[string]string{"empty": "empty", "random-go": "random", "web": "web", "raw": "raw"} {
		if err := goBuild(ctx, b.path(name), module+"experiment/floor/"+pkg); err != nil {
			return err
		}
	}
	if b.reflect == "" {
		b.reflect = b.path("reflect")
		if err := goBuild(ctx, b.path("reflect.linked"), module+"cmd/reflect", "-ldflags="+early.LinkFlag); err != nil {
			return err
		}
		return writeAnew(b.reflect, b.path("reflect.linked"))
	}
	b.reflect, err = filepath.Abs(b.reflect)
	return err
}

// goBuild builds as a user does: go build, without a C compiler.
func goBuild(ctx context.Context, out, pkg string, flags ...string) error {
	return command(ctx, "go", append(append([]string{"build", "-trimpath", "-o", out}, flags...), pkg)...)
}

// writeAnew copies an executable by one large write, as `make build` does and as installing does,
// mostly: what the linker has written by a mapping is cached in single pages, and starts slower.
func writeAnew(to, from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to, b, 0o755); err != nil {
		return err
	}
	return os.Remove(from)
}

func command(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(append([]string{filepath.Base(name)}, args...), " "), err, out.Bytes())
	}
	return nil
}
