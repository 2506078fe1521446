package supervisor

import (
	"encoding/binary"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stackOf lays a fresh image's stack out: the number of arguments, pointers to them and
// to the environment's strings, and the auxiliary vector.
func stackOf(args, env int, vector ...uint64) (b []byte) {
	words := []uint64{uint64(args)}
	for _, n := range []int{args, env} {
		for i := range n {
			words = append(words, 0x7fff00000000+uint64(i))
		}
		words = append(words, 0)
	}
	for _, w := range append(words, vector...) {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

func TestAuxvOnStack(t *testing.T) {
	for _, c := range []struct {
		name  string
		stack []byte
		want  uint64
		whole bool
	}{
		{"usual", stackOf(2, 3, 16, 1, 33, 0x7f01, 6, 4096, 0, 0), 0x7f01, true},
		{"nothing given", stackOf(0, 0, 33, 0x7f02, 0, 0), 0x7f02, true},
		{"no vDSO", stackOf(1, 0, 6, 4096, 0, 0), 0, true},
		{"cut in the vector", stackOf(1, 1, 6, 4096), 0, false},
		{"cut before it", stackOf(1, 600)[:4096], 0, false},
		{"nothing read", nil, 0, false},
	} {
		var a auxv
		b, whole := skipToAuxv(c.stack)
		if whole {
			a, whole = parseAuxv(b)
		}
		if a.vdso != c.want || whole != c.whole {
			t.Errorf("%s: %#x, whole %v; want %#x, %v", c.name, a.vdso, whole, c.want, c.whole)
		}
	}
}

// TestReadAuxv reads a stack that ends where its mapping does, and one that is too big
// for the buffer: then the kernel's copy serves.
func TestReadAuxv(t *testing.T) {
	real, err := readProc(os.Getpid(), "auxv", make([]byte, 4096))
	if err != nil {
		t.Fatal(err)
	}
	ours, whole := parseAuxv(real)
	if !whole || ours.vdso == 0 {
		t.Fatalf("%+v, %v", ours, whole)
	}
	mem, err := unix.Mmap(-1, 0, 3*pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mem)
	if err := unix.Mprotect(mem[2*pageSize:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		stack []byte
		want  uint64
	}{
		{stackOf(1, 40, 33, 0x1111, 0, 0), 0x1111},
		{stackOf(1, 300, 33, 0x2222, 0, 0), 0x2222},
		{stackOf(1, 700, 33, 0x3333, 0, 0), ours.vdso},
	} {
		at := 2*pageSize - len(c.stack)
		copy(mem[at:], c.stack)
		a, err := readAuxv(os.Getpid(), uint64(uintptr(unsafe.Pointer(&mem[at]))))
		if err != nil || a.vdso != c.want {
			t.Errorf("%d bytes: %#x, %v; want %#x", len(c.stack), a.vdso, err, c.want)
		}
	}
}
