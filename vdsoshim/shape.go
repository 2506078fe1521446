package vdsoshim

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sysreflect/sysreflect/internal/elf"
)

// ErrShape is what CheckShape's errors wrap.
var ErrShape = errors.New("the vDSO image can't be used")

// CheckShape reports why C libraries and Go's runtime would not read b as a
// vDSO, or would go wrong with it, if there is a reason. It is for images that
// users bring; each error names one rule.
func CheckShape(b []byte) error {
	m, err := Parse(b)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrShape, err)
	}
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: %s", ErrShape, fmt.Sprintf(format, args...)))
	}
	loads := 0
	for _, p := range m.segments {
		switch p.Type {
		case elf.PT_LOAD:
			loads++
			if p.Off != 0 || p.Vaddr != 0 {
				bad("its segment has offset %#x and address %#x, both must be 0: Go's runtime takes one for the other", p.Off, p.Vaddr)
			}
			if p.Flags&elf.PF_W != 0 {
				bad("its segment is writable")
			}
			if p.Flags&(elf.PF_R|elf.PF_X) != elf.PF_R|elf.PF_X {
				bad("its segment is not both readable and executable")
			}
			switch {
			case p.Memsz == RegionSize:
				bad("it is reflect's own, whose data and stubs stand behind it in a region that no other image has")
			case p.Memsz > p.Filesz:
				bad("it has uninitialised data (.bss)")
			}
		case elf.PT_DYNAMIC:
			if p.Flags&elf.PF_W != 0 {
				bad("its dynamic segment is marked writable: glibc would relocate it in place")
			}
			if p.Off != p.Vaddr {
				bad("its dynamic segment has offset %#x and address %#x, which must be equal", p.Off, p.Vaddr)
			}
		case elf.PT_TLS:
			bad("it has thread-local data")
		case elf.PT_INTERP:
			bad("it wants an interpreter")
		}
	}
	if loads != 1 {
		bad("it has %d loadable segments instead of one", loads)
	}
	for _, tag := range []elf.DynTag{
		elf.DT_RELA, elf.DT_REL, elf.DT_JMPREL, elf.DT_RELR, elf.DT_TEXTREL,
	} {
		if _, ok := m.entry(tag); ok {
			bad("it has relocations (%v), which nobody applies", tag)
		}
	}
	for _, tag := range []elf.DynTag{
		elf.DT_NEEDED, elf.DT_INIT, elf.DT_FINI, elf.DT_INIT_ARRAY, elf.DT_FINI_ARRAY, elf.DT_PREINIT_ARRAY,
	} {
		if _, ok := m.entry(tag); ok {
			bad("it has %v, which nobody looks at", tag)
		}
	}
	if !slices.Contains(m.Versions(), abiVersion) {
		bad("it defines no version %s, by which its functions are looked up", abiVersion)
	}
	functions := 0
	for _, s := range m.Symbols() {
		if s.Section == elf.SHN_ABS || s.Type != elf.STT_FUNC {
			continue
		}
		functions++
		if !m.executable(s.Value) {
			bad("the function %s is outside the image's code", s.Name)
		}
		if got, ok := m.Lookup(s.Name, s.Version); !ok || got.Value != s.Value {
			bad("the function %s is not found through the hash table", s.Name)
		}
	}
	if functions == 0 {
		bad("it exports no function")
	}
	return errors.Join(errs...)
}
