package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A build makes an executable of one victim's source.
type build struct {
	tool string   // what must be installed
	pkg  string   // the package that has it
	args []string // SOURCE and OUT are replaced
	env  []string
}

var builds = map[string]build{
	"glibc":        {"gcc", "gcc", strings.Fields("gcc -O1 -g -Wall -Wextra -Werror -Wno-clobbered -pthread -o OUT SOURCE"), nil},
	"c++":          {"g++", "g++", strings.Fields("g++ -O1 -g -Wall -Wextra -Werror -pthread -o OUT SOURCE"), nil},
	"library":      {"gcc", "gcc", strings.Fields("gcc -O1 -shared -fPIC -Wl,-z,separate-code -o OUT SOURCE"), nil},
	"library-2":    {"gcc", "gcc", []string{"gcc", "-O1", "-shared", "-fPIC", "-Wl,-z,separate-code", `-DCALL="111"`, "-o", "OUT", "SOURCE"}, nil},
	"glibc-static": {"gcc", "gcc", strings.Fields("gcc -O1 -g -Wall -Wextra -Werror -Wno-clobbered -pthread -static -o OUT SOURCE"), nil},
	"glibc-no-pie": {"gcc", "gcc", strings.Fields("gcc -O1 -g -Wall -Wextra -Werror -Wno-clobbered -pthread -no-pie -o OUT SOURCE"), nil},
	"static-pie":   {"gcc", "gcc", strings.Fields("gcc -O1 -g -Wall -Wextra -Werror -Wno-clobbered -pthread -static-pie -o OUT SOURCE"), nil},
	"musl":         {"musl-gcc", "musl-tools", strings.Fields("musl-gcc -O1 -g -Wall -Wextra -Werror -Wno-clobbered -pthread -o OUT SOURCE"), nil},
	"musl-static":  {"musl-gcc", "musl-tools", strings.Fields("musl-gcc -O1 -g -Wall -Wextra -Werror -Wno-clobbered -pthread -static -o OUT SOURCE"), nil},
	"bare":         {"gcc", "gcc", strings.Fields("gcc -O1 -static -nostdlib -ffreestanding -fno-stack-protector -Wall -Wextra -Werror -o OUT SOURCE"), nil},
	"i386":         {"ld", "binutils", []string{"sh", "-c", "as --32 -o OUT.o SOURCE && ld -m elf_i386 -o OUT OUT.o && rm OUT.o"}, nil},
	"go":           {"go", "golang-go", strings.Fields("go build -o OUT SOURCE"), []string{"CGO_ENABLED=0"}},
	"cgo":          {"gcc", "gcc", strings.Fields("go build -o OUT SOURCE"), []string{"CGO_ENABLED=1"}},
	"rust":         {"rustc", "rustc", strings.Fields("rustc -O -o OUT SOURCE"), nil},
}

var built struct {
	sync.Mutex
	how map[string]func() (string, error)
}

// victim builds victims/source in one of the ways of builds, once, and returns
// the executable's path.
func victim(t *testing.T, source, how string) string {
	t.Helper()
	b, ok := builds[how]
	if !ok {
		t.Fatalf("no build %q", how)
	}
	need(t, b.tool, b.pkg)
	path, err := b.once(source, how)()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// once is the function that builds a victim when it is called first.
func (b build) once(source, how string) func() (string, error) {
	// Programs of behaviour/ may have the names of others.
	name := strings.TrimSuffix(filepath.Base(source), filepath.Ext(source)) + "-" + how
	if dir := filepath.Base(filepath.Dir(source)); dir != "." {
		name = dir + "-" + name
	}
	built.Lock()
	defer built.Unlock()
	if built.how == nil {
		built.how = map[string]func() (string, error){}
	}
	once := built.how[name]
	if once == nil {
		once = sync.OnceValues(func() (string, error) { return b.make(source, name) })
		built.how[name] = once
	}
	return once
}

func (b build) make(source, name string) (string, error) {
	dir := filepath.Join(scratch, "victims")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	out := filepath.Join(dir, name)
	from, err := filepath.Abs(filepath.Join("victims", source))
	if err != nil {
		return "", err
	}
	args := make([]string, len(b.args))
	for i, a := range b.args {
		args[i] = strings.NewReplacer("SOURCE", from, "OUT", out).Replace(a)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), b.env...)
	if msg, err := cmd.CombinedOutput(); err != nil {
		return "", &buildError{strings.Join(args, " "), string(msg), err}
	}
	return out, os.Chmod(out, 0o755)
}

type buildError struct {
	command, output string
	err             error
}

func (e *buildError) Error() string { return e.command + ": " + e.err.Error() + "\n" + e.output }
func (e *buildError) Unwrap() error { return e.err }

// need makes sure that a program is installed. One that is missing is a failure
// where it can be installed, and a skip where not.
func need(t *testing.T, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getuid() == 0 && exec.Command("apt-cache", "show", pkg).Run() == nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
	t.Skipf("%s is missing, and can't be installed here (package %s)", name, pkg)
	return ""
}
