package policy

import (
	"strings"
	"testing"
)

func TestTableIsComplete(t *testing.T) {
	for _, want := range []struct {
		nr   int
		name string
	}{{0, "read"}, {59, "execve"}, {156, "_sysctl"}, {318, "getrandom"}, {322, "execveat"}, {334, "rseq"}, {335, "uretprobe"}, {424, "pidfd_send_signal"}, {462, "mseal"}, {471, "rseq_slice_yield"}} {
		if name, ok := Name(want.nr); !ok || name != want.name {
			t.Errorf("Name(%d) = %q, %v", want.nr, name, ok)
		}
		if nr, ok := Number(want.name); !ok || nr != want.nr {
			t.Errorf("Number(%q) = %d, %v", want.name, nr, ok)
		}
	}
	for _, nr := range Numbers() {
		name, _ := Name(nr)
		if got, ok := Number(name); !ok || got != nr {
			t.Errorf("Number(Name(%d)) = %d, %v", nr, got, ok)
		}
	}
	for _, nr := range []int{-1, 337, 423, lastCall + 1, x32Bit} {
		if name, ok := Name(nr); ok {
			t.Errorf("Name(%d) = %q", nr, name)
		}
	}
	for _, name := range []string{"", "rea", "readx", "Read", "zzz", "@time"} {
		if nr, ok := Number(name); ok {
			t.Errorf("Number(%q) = %d", name, nr)
		}
	}
}

func TestSets(t *testing.T) {
	covered := make(map[int]bool)
	for i, s := range sets {
		if i > 0 && sets[i-1].Name >= s.Name {
			t.Errorf("%s is out of order", s.Name)
		}
		for word := range strings.FieldsSeq(s.calls) {
			if _, err := Calls(strings.TrimPrefix(word, "-")); err != nil {
				t.Errorf("%s: %v", s.Name, err)
			}
		}
		if len(s.Numbers()) == 0 || s.Description == "" {
			t.Errorf("%s is empty", s.Name)
		}
		if s.Name != "@known" && s.Name != "@all" {
			for _, nr := range s.Numbers() {
				covered[nr] = true
			}
		}
	}
	for _, nr := range Numbers() {
		if name, _ := Name(nr); !covered[nr] {
			t.Errorf("%s is in no set", name)
		}
	}
}
