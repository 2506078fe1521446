package reflect

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPutIsAllOrNothing(t *testing.T) {
	const page = 0x10000
	for _, tc := range []struct {
		name          string
		first, second string // "rw", "r" or nothing
		at            uint64
		want          error
	}{
		{"within a page", "rw", "", page, nil},
		{"at its end", "rw", "", page + PageSize - 8, nil},
		{"across two", "rw", "rw", page + PageSize - 3, nil},
		{"second missing", "rw", "", page + PageSize - 3, unix.EFAULT},
		{"second read-only", "rw", "r", page + PageSize - 3, unix.EFAULT},
		{"first missing", "", "rw", page + PageSize - 3, unix.EFAULT},
		{"first read-only", "r", "rw", page + PageSize - 3, unix.EFAULT},
		{"both read-only", "r", "r", page + PageSize - 3, unix.EFAULT},
	} {
		f := new(Fake)
		for i, mode := range []string{tc.first, tc.second} {
			if mode != "" {
				f.Map(page+uint64(i)*PageSize, PageSize, mode == "rw")
				for j := range f.pages[page+uint64(i)*PageSize].data {
					f.pages[page+uint64(i)*PageSize].data[j] = 0xaa
				}
			}
		}
		if err := put(f, tc.at, []byte{1, 2, 3, 4, 5, 6, 7, 8}); err != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
		changed := 0
		for _, p := range f.pages {
			changed += PageSize - bytes.Count(p.data[:], []byte{0xaa})
		}
		if want := map[bool]int{true: 8, false: 0}[tc.want == nil]; changed != want {
			t.Errorf("%s: %d bytes changed, want %d", tc.name, changed, want)
		}
	}
}

func TestHandlersAreLeftWithoutMemory(t *testing.T) {
	for _, err := range []error{unix.EPERM, unix.ESRCH, ErrOutOfReach, unix.ENOSYS} {
		for _, hc := range handlerCalls {
			h, _ := Builtin(hc.handler)
			c := &Call{Arch: unix.AUDIT_ARCH_X86_64, Args: hc.args, TID: unix.Getpid(), Mem: &Fake{Err: err}}
			writes := hc.name != "getrandom/0" && hc.name != "time"
			if r := h.Serve(c); r.Continue != writes {
				t.Errorf("%s with %v: %+v", hc.name, err, r)
			}
		}
	}
}

func TestFakeMap(t *testing.T) {
	f := new(Fake)
	f.Map(0x1800, PageSize, true) // two pages: it lies across a border
	if n, err := f.Write(0x1000, make([]byte, 2*PageSize)); n != 2*PageSize || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	if n, err := f.Read(0x2ff0, make([]byte, 32)); n != 16 || err != unix.EFAULT {
		t.Errorf("read %d, %v", n, err)
	}
	f.Map(0x1000, 1, false)
	if n, err := f.Write(0x1fff, []byte{1}); n != 0 || err != unix.EFAULT {
		t.Errorf("wrote %d, %v to a read-only page", n, err)
	}
	f.Unmap(0x2abc)
	if n, err := f.Read(0x1ffe, make([]byte, 4)); n != 2 || err != unix.EFAULT {
		t.Errorf("read %d, %v", n, err)
	}
	f.Map(0x9000, 0, true)
	if len(f.pages) != 1 {
		t.Errorf("%d pages", len(f.pages))
	}
}
