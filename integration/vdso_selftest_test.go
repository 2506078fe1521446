package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestVDSOSelftests runs the kernel's own tests of its vDSO (Linux,
// tools/testing/selftests/vDSO) against the shim, and compares what they say
// with what they say of the kernel's. Their source is Debian's package, which is
// not part of this repository.
func TestVDSOSelftests(t *testing.T) {
	if testing.Short() {
		t.Skip("unpacking the kernel's source takes ten seconds")
	}
	need(t, "gcc", "gcc")
	src := kernelSource(t)
	numbers := regexp.MustCompile(`[0-9]+`)
	for name, flags := range map[string]string{
		"vdso_standalone_test_x86": "-nostdlib -fno-asynchronous-unwind-tables -fno-stack-protector parse_vdso.c",
		"vdso_test_abi":            "parse_vdso.c",
		"vdso_test_clock_getres":   "",
		"vdso_test_correctness":    "-ldl",
		"vdso_test_getcpu":         "parse_vdso.c",
		"vdso_test_getrandom":      "parse_vdso.c -pthread",
		"vdso_test_gettimeofday":   "parse_vdso.c",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := os.Stat(filepath.Join(src, name+".c")); err != nil {
				t.Skipf("this source of the kernel has no %s", name)
			}
			out := filepath.Join(scratch, name)
			args := append([]string{"-std=gnu99", "-O2", "-D_GNU_SOURCE=", "-isystem", "include", "-o", out, name + ".c"},
				strings.Fields(flags)...)
			cmd := exec.Command("gcc", args...)
			cmd.Dir = src
			if msg, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("gcc %s: %v\n%s", strings.Join(args, " "), err, msg)
			}
			native := program{
				argv:    []string{out},
				timeout: 2 * time.Minute,
				// Times and processors are different each time.
				clean: func(s string) string { return numbers.ReplaceAllString(s, "N") },
			}.same(t)
			if native.status != 0 || native.stdout == "" {
				t.Errorf("natively: %s\n%s%s", describe(native.status), native.stdout, native.stderr)
			}
		})
	}
}

// kernelSource unpacks the selftests of the newest kernel source package and
// returns their folder, in which include has the headers that they want to be
// newer than the system's.
func kernelSource(t *testing.T) string {
	t.Helper()
	archives, _ := filepath.Glob("/usr/src/linux-source-*.tar.xz")
	if len(archives) == 0 {
		const pkg = "linux-source-6.12" // the first with a selftest of getrandom
		if os.Getuid() == 0 && exec.Command("apt-cache", "show", pkg).Run() == nil {
			t.Fatalf("the kernel's source is missing: apt-get install %s", pkg)
		}
		t.Skipf("the kernel's source is missing, and can't be installed here (package %s)", pkg)
	}
	slices.SortFunc(archives, byVersion)
	archive := archives[len(archives)-1]
	dir := filepath.Join(scratch, "linux")
	must(t, os.MkdirAll(dir, 0o755))
	msg, err := exec.Command("tar", "-xJf", archive, "-C", dir, "--strip-components=1", "--wildcards",
		"*/tools/testing/selftests/vDSO/*", "*/tools/testing/selftests/kselftest.h",
		"*/include/uapi/linux/random.h").CombinedOutput()
	if err != nil {
		t.Fatalf("unpack %s: %v\n%s", archive, err, msg)
	}
	src := filepath.Join(dir, "tools/testing/selftests/vDSO")
	include := filepath.Join(src, "include/linux")
	must(t, os.MkdirAll(include, 0o755))
	// The structure of getrandom's query came with Linux 6.11.
	must(t, os.Rename(filepath.Join(dir, "include/uapi/linux/random.h"), filepath.Join(include, "random.h")))
	// Included, but nothing of it is used.
	must(t, os.WriteFile(filepath.Join(include, "compiler.h"), nil, 0o644))
	return src
}

// byVersion orders file names so that 6.12 comes after 6.1.
func byVersion(a, b string) int {
	digits := regexp.MustCompile(`[0-9]+|[^0-9]+`)
	as, bs := digits.FindAllString(a, -1), digits.FindAllString(b, -1)
	return slices.CompareFunc(as, bs, func(x, y string) int {
		if x[0] >= '0' && x[0] <= '9' && len(x) != len(y) {
			return len(x) - len(y)
		}
		return strings.Compare(x, y)
	})
}
