package supervisor

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel says how large its structures are (seccomp(2),
// SECCOMP_GET_NOTIF_SIZES); ours must be as large, and the requests carry the
// sizes too.
func TestKernelStructureSizes(t *testing.T) {
	var sizes struct{ notif, resp, data uint16 }
	const getNotifSizes = 3
	if _, _, e := unix.Syscall(unix.SYS_SECCOMP, getNotifSizes, 0, uintptr(unsafe.Pointer(&sizes))); e != 0 {
		t.Fatal(e)
	}
	for _, c := range []struct {
		name            string
		got, want, code uintptr
	}{
		{"seccomp_notif", unsafe.Sizeof(notification{}), uintptr(sizes.notif), ioctlRecv},
		{"seccomp_notif_resp", unsafe.Sizeof(response{}), uintptr(sizes.resp), ioctlSend},
		{"seccomp_notif_addfd", unsafe.Sizeof(addfd{}), 24, ioctlAddFD},
		{"prctl_mm_map", unsafe.Sizeof(mmMap{}), 104, 104 << 16},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d bytes, the kernel's has %d", c.name, c.got, c.want)
		}
		if in := c.code >> 16 & 0x3fff; in != c.want {
			t.Errorf("%s: its request is for %d bytes, want %d", c.name, in, c.want)
		}
	}
	var size uint32
	const mmMapSize = 15 // PR_SET_MM_MAP_SIZE
	err := unix.Prctl(unix.PR_SET_MM, mmMapSize, uintptr(unsafe.Pointer(&size)), 0, 0)
	if err == nil && uintptr(size) != unsafe.Sizeof(mmMap{}) {
		t.Errorf("prctl_mm_map: %d bytes, the kernel's has %d", unsafe.Sizeof(mmMap{}), size)
	}
}
