package integration

import (
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/internal/early"
)

// The places that all tests share. Other users must be able to read them, so
// they are not below testing's own temporary directories.
var (
	scratch       string // removed at the end
	reflectBinary string
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(setUp(m))
}

func setUp(m *testing.M) int {
	// Who runs the tests may have descriptors open that no program should get.
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		fmt.Fprintln(os.Stderr, "close_range:", err)
		return 1
	}
	// And may ignore signals (nohup): what is caught here is at its default in what is executed.
	for _, sig := range []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
	var err error
	if scratch, err = os.MkdirTemp("", "reflect-integration-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(scratch)
	if err := os.Chmod(scratch, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	reflectBinary = os.Getenv("REFLECT_BINARY") // a binary that is built already
	if reflectBinary == "" {
		reflectBinary = filepath.Join(scratch, "reflect")
		if err := buildReflect(reflectBinary, "-ldflags="+early.LinkFlag); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// buildReflect builds the command to a file.
func buildReflect(path string, flags ...string) error {
	build := exec.Command("go", slices.Concat([]string{"build", "-o", path}, flags, []string{"../cmd/reflect"})...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build ./cmd/reflect: %w\n%s", err, out)
	}
	return nil
}
