package integration

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestInit: all commands are in one binary, and what their packages prepare is
// waited for at every start of `reflect run`. These prepare tables that it needs not.
func TestInit(t *testing.T) {
	cmd := exec.Command(reflectBinary, "version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var trace bytes.Buffer
	cmd.Stderr = &trace
	must(t, cmd.Run())
	seen := 0
	for line := range strings.Lines(trace.String()) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "init" {
			continue
		}
		seen++
		for _, bad := range []string{"regexp", "compress/", "html/", "text/template", "net", "crypto/", "go/", "debug/", "math/big"} {
			if name := fields[1]; name == bad || strings.HasPrefix(name, bad+"/") || strings.HasSuffix(bad, "/") && strings.HasPrefix(name, bad) {
				t.Errorf("%s is initialised at each start: %s", name, line)
			}
		}
	}
	if seen < 5 {
		t.Errorf("no trace: %q", trace.String())
	}
}
