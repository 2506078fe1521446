package integration

import (
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
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
		build := exec.Command("go", "build", "-ldflags="+early.LinkFlag, "-o", reflectBinary, "../cmd/reflect")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build ./cmd/reflect: %v\n%s", err, out)
			return 1
		}
	}
	return m.Run()
}
