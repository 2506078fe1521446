package patch

import (
	"errors"
	"os"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel's answer and the text of /proc/PID/maps say the same of every
// mapping and of the gaps between them.
func TestQueryMapping(t *testing.T) {
	if size := unsafe.Sizeof(procmapQuery{}); size != 104 || ioctlProcmapQuery != 0xc0686611 {
		t.Fatalf("struct of %d bytes, ioctl %#x", size, ioctlProcmapQuery)
	}
	// Shared memory, and pages with a protection of each kind.
	for _, prot := range []int{0, unix.PROT_READ, unix.PROT_READ | unix.PROT_EXEC, unix.PROT_READ | unix.PROT_WRITE | unix.PROT_EXEC} {
		for _, flag := range []int{unix.MAP_PRIVATE, unix.MAP_SHARED} {
			b, err := unix.Mmap(-1, 0, 4096, prot, flag|unix.MAP_ANONYMOUS)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Munmap(b)
		}
	}
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := queryMapping(int(f.Fd()), 0); errors.Is(err, unix.ENOTTY) {
		needLinux(t, 6, 11)
	} else if err != unix.ENOENT {
		t.Errorf("nothing is mapped at 0: %v", err)
	}
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for line := range strings.Lines(string(text)) {
		want, err := parseMapping(strings.TrimSuffix(line, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		if want.start>>63 != 0 || want.path == "" && want.perms == "rw-p" {
			continue // the kernel's vsyscall page; the Go runtime's memory may grow
		}
		for _, addr := range []uint64{want.start, want.end - 1} {
			got, err := queryMapping(int(f.Fd()), addr)
			if err != nil || got != want {
				t.Errorf("%#x: %+v, %v, want %+v", addr, got, err, want)
			}
			compared++
		}
	}
	if compared < 10 {
		t.Errorf("%d mappings compared", compared)
	}
}

// needLinux skips a test on older kernels, and fails it on others.
func needLinux(t *testing.T, major, minor int) {
	t.Helper()
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	var a, b int
	release := unix.ByteSliceToString(u.Release[:])
	for i, word := range strings.SplitN(release, ".", 3) {
		n := 0
		for _, c := range word {
			if c < '0' || c > '9' {
				break
			}
			n = 10*n + int(c-'0')
		}
		if i == 0 {
			a = n
		} else if i == 1 {
			b = n
		}
	}
	if a > major || a == major && b >= minor {
		t.Fatalf("Linux %s should have this", release)
	}
	t.Skipf("Linux %s: since %d.%d", release, major, minor)
}

func TestScanMappings(t *testing.T) {
	const text = `00400000-00452000 r-xp 00001000 08:02 173521      /usr/bin/dbus daemon
00651000-00652000 rw-s 00051000 fe:12 173522 
7ffff7fc1000-7ffff7fc3000 r-xp 00000000 00:00 0                          [vdso]
`
	for _, c := range []struct {
		addr uint64
		want mapping
	}{
		{0x400000, mapping{0x400000, 0x452000, "r-xp", 0x1000, unix.Mkdev(8, 2), 173521, "/usr/bin/dbus daemon"}},
		{0x451fff, mapping{0x400000, 0x452000, "r-xp", 0x1000, unix.Mkdev(8, 2), 173521, "/usr/bin/dbus daemon"}},
		{0x651000, mapping{0x651000, 0x652000, "rw-s", 0x51000, unix.Mkdev(0xfe, 0x12), 173522, ""}},
		{0x7ffff7fc1000, mapping{0x7ffff7fc1000, 0x7ffff7fc3000, "r-xp", 0, 0, 0, "[vdso]"}},
	} {
		if got, err := scanMappings(strings.NewReader(text), c.addr); err != nil || got != c.want {
			t.Errorf("%#x: %+v, %v, want %+v", c.addr, got, err, c.want)
		}
	}
	for _, addr := range []uint64{0, 0x452000, 0x7ffff7fc3000} {
		if got, err := scanMappings(strings.NewReader(text), addr); err != errUnmapped {
			t.Errorf("%#x: %+v, %v", addr, got, err)
		}
	}
}
