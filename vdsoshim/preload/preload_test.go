package preload

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sysreflect/sysreflect/vdsoshim"
)

func TestBuild(t *testing.T) {
	version, err := exec.Command("gcc", "-dumpversion").Output()
	if major, _, _ := strings.Cut(strings.TrimSpace(string(version)), "."); err != nil || major != "12" {
		t.Skipf("the committed library is gcc 12's, this is %q, %v", version, err)
	}
	out := filepath.Join(t.TempDir(), "preload.elf")
	if msg, err := exec.Command("./build.sh", out).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	if built, err := os.ReadFile(out); err != nil || !bytes.Equal(built, []byte(library)) {
		t.Errorf("preload.elf is not what its source gives; run go generate (%v)", err)
	}
}

// Python's own os.getrandom makes the system call by its number, which is among what
// such a library misses; so the C library's function is called.
const script = `
import os, ctypes, threading
libc = ctypes.CDLL(None, use_errno=True)
libc.getrandom.restype = ctypes.c_ssize_t
def get(n):
    b = ctypes.create_string_buffer(n)
    r = libc.getrandom(b, ctypes.c_size_t(n), 0)
    assert r == n, (n, r)
    return b.raw
got = {get(n) for n in (16, 17, 100, 2016, 2017, 5000) for _ in range(50)}
assert len(got) == 300, len(got)
assert [len(get(n)) for n in (0, 1, 4096, 70000)] == [0, 1, 4096, 70000]
b = ctypes.create_string_buffer(256)
assert libc.getentropy(b, 256) == 0 and b.raw != bytes(256)
assert libc.getentropy(b, 257) == -1 and ctypes.get_errno() == 5
assert libc.getrandom(b, 16, 0x1000) == -1 and ctypes.get_errno() == 22
seen = set()
def draw():
    for _ in range(500): seen.add(get(16))
ts = [threading.Thread(target=draw) for _ in range(8)]
[t.start() for t in ts]; [t.join() for t in ts]
assert len(seen) == 4000, len(seen)
r, w = os.pipe()
if os.fork() == 0:
    os.write(w, get(16)); os._exit(0)
assert os.read(r, 16) != get(16)
print("ok")
`

// The program gets right answers by each block function, and next to no system call
// is left.
func TestServes(t *testing.T) {
	for _, block := range vdsoshim.Blocks() {
		if block.Usable() != nil {
			continue
		}
		lib, err := build(block)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "preload.so")
		if err := os.WriteFile(path, lib, 0o644); err != nil {
			t.Fatal(err)
		}
		calls := filepath.Join(t.TempDir(), "calls")
		cmd := exec.Command("strace", "-f", "-o", calls, "-e", "trace=getrandom", "/usr/bin/python3", "-I", "-c", script)
		cmd.Env = append(os.Environ(), "LD_PRELOAD="+path)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "ok") {
			t.Fatalf("%v: %v\n%s", block, err, out)
		}
		// 70000 bytes take one key for each 2016, or 64 KiB at a time.
		traced, err := os.ReadFile(calls)
		if n := bytes.Count(traced, []byte("getrandom(")); err != nil || n < 3 || n > 500 {
			t.Errorf("%v: %d system calls for some 4,600 requests, %v", block, n, err)
		}
	}
}

func TestFailsLoudly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "empty.so")
	if err := os.WriteFile(path, []byte(library), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/true")
	cmd.Env = append(os.Environ(), "LD_PRELOAD="+path)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "reflect preload: no image") {
		t.Errorf("a library without an image: %v, %q", err, out)
	}
}
