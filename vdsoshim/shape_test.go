package vdsoshim

import (
	"bytes"
	"debug/elf"
	"errors"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// images are the built image and completions of it: the rules hold for all.
func images(t *testing.T) map[string][]byte {
	t.Helper()
	_, own, err := Own()
	if err != nil {
		t.Fatal(err)
	}
	kernel, _, err := Kernel()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{"built": own}
	for name, o := range map[string]Options{
		"forward": {Kernel: kernel},
		"shim":    {Kernel: kernel, Bind: everything(Shim)},
		"counted": {Kernel: kernel, Bind: everything(Stub), Count: true},
	} {
		built, err := Complete(o)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = built.Bytes
	}
	return out
}

// TestShape checks what a loader sees. It uses debug/elf, which reads images
// independently of this package's parser.
func TestShape(t *testing.T) {
	for name, b := range images(t) {
		t.Run(name, func(t *testing.T) {
			if err := CheckShape(b); !errors.Is(err, ErrShape) || !strings.Contains(err.Error(), "reflect's own") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, not that it is ours, which is all that is wrong with it", err)
			}
			if len(b) != ImageSize {
				t.Errorf("%d bytes, not ImageSize", len(b))
			}
			f, err := elf.NewFile(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			checkSegments(t, f)
			checkDynamic(t, f)
			checkSections(t, f)
			checkSymbols(t, f)
		})
	}
}

func checkSegments(t *testing.T, f *elf.File) {
	var types []elf.ProgType
	for _, p := range f.Progs {
		types = append(types, p.Type)
		if p.Off != p.Vaddr || p.Memsz != p.Filesz && (p.Type != elf.PT_LOAD || p.Memsz != RegionSize) {
			t.Errorf("%v: offset %#x address %#x, %d of %d bytes", p.Type, p.Off, p.Vaddr, p.Filesz, p.Memsz)
		}
		want := elf.PF_R
		if p.Type == elf.PT_LOAD {
			want |= elf.PF_X
			if p.Off != 0 || p.Filesz != ImageSize {
				t.Errorf("the segment is %#x bytes at %#x", p.Filesz, p.Off)
			}
		}
		if p.Flags != want {
			t.Errorf("%v has flags %v", p.Type, p.Flags)
		}
	}
	want := []elf.ProgType{elf.PT_LOAD, elf.PT_DYNAMIC, elf.PT_NOTE, elf.PT_GNU_EH_FRAME}
	if !slices.Equal(types, want) {
		t.Errorf("segments %v, not %v", types, want)
	}
}

const dtRELR = 36 // missing in debug/elf

func checkDynamic(t *testing.T, f *elf.File) {
	for tag, want := range map[elf.DynTag]bool{
		elf.DT_HASH: true, elf.DT_GNU_HASH: true, elf.DT_SYMTAB: true, elf.DT_STRTAB: true, elf.DT_STRSZ: true,
		elf.DT_SYMENT: true, elf.DT_VERDEF: true, elf.DT_VERDEFNUM: true, elf.DT_VERSYM: true, elf.DT_SONAME: true,
		elf.DT_RELA: false, elf.DT_REL: false, elf.DT_JMPREL: false, dtRELR: false, elf.DT_TEXTREL: false,
		elf.DT_PLTGOT: false, elf.DT_NEEDED: false, elf.DT_INIT: false, elf.DT_INIT_ARRAY: false, elf.DT_FINI: false,
	} {
		if v, err := f.DynValue(tag); err != nil || (len(v) == 1) != want {
			t.Errorf("%v: %v, %v", tag, v, err)
		}
	}
	if names, err := f.DynString(elf.DT_SONAME); err != nil || !slices.Equal(names, []string{"linux-vdso.so.1"}) {
		t.Errorf("names %q, %v", names, err)
	}
	versions, err := f.DynamicVersions()
	if err != nil || len(versions) != 2 || versions[1].Name != "LINUX_2.6" {
		t.Errorf("versions %v, %v", versions, err)
	}
}

// checkSections: nothing writable, no relocations, no thread-local storage.
func checkSections(t *testing.T, f *elf.File) {
	for _, s := range f.Sections {
		if s.Name == ".stubs" {
			if s.Addr != StubsOff || s.Size != StubsSize || s.Type != elf.SHT_NOBITS || s.Flags != elf.SHF_ALLOC|elf.SHF_EXECINSTR {
				t.Errorf("section %s: %+v", s.Name, s)
			}
			continue
		}
		if s.Type == elf.SHT_RELA || s.Type == elf.SHT_REL || s.Type == elf.SHT_NOBITS || s.Flags&elf.SHF_TLS != 0 {
			t.Errorf("section %s: %v %v", s.Name, s.Type, s.Flags)
		}
		// The linker marks .dynamic writable, as in the kernel's image;
		// there is no segment that makes it so.
		if s.Flags&elf.SHF_WRITE != 0 && s.Name != ".dynamic" {
			t.Errorf("section %s is writable", s.Name)
		}
		if s.Flags&elf.SHF_ALLOC != 0 && s.Addr != s.Offset {
			t.Errorf("section %s: offset %#x, address %#x", s.Name, s.Offset, s.Addr)
		}
	}
	if s := f.Section(".text"); s == nil || s.Flags != elf.SHF_ALLOC|elf.SHF_EXECINSTR {
		t.Error("section .text")
	}
}

func checkSymbols(t *testing.T, f *elf.File) {
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]elf.Symbol{}
	for _, s := range symbols {
		found[s.Name] = s
	}
	for _, c := range calls {
		name := c.name
		strong, weak := found[prefix+name], found[name]
		if strong.Info != elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC) || weak.Info != elf.ST_INFO(elf.STB_WEAK, elf.STT_FUNC) {
			t.Errorf("%s: %v, %v", name, strong, weak)
		}
		if strong.Value != weak.Value || strong.Version != "LINUX_2.6" || weak.Version != "LINUX_2.6" {
			t.Errorf("%s: %v, %v", name, strong, weak)
		}
		if s := f.Sections[strong.Section]; s.Name != ".text" || strong.Value < s.Addr || strong.Value+strong.Size > s.Addr+s.Size {
			t.Errorf("%s is not in .text: %v", name, strong)
		}
	}
}

// TestBlockInstructions: no stack, no mask registers, no string instructions,
// whose direction the program chose, no secrets where a signal's frame would
// not have them anyway.
func TestBlockInstructions(t *testing.T) {
	code := disassemble(t)
	forbidden := regexp.MustCompile(`%[re]?sp\b|%[er]?bp\b|%r12|%rbx|%k[0-7]|%mm|%st|^(push|pop|call|ret|enter|leave|syscall|rep|lods|stos|movs[bwlq] |x?save|fx|ldmxcsr)`)
	for name, f := range map[string]function{
		"avx512": chachaAvx512, "avx2": chachaAvx2, "avx2_zmm": chachaAvx2Zmm, "scalar": chachaScalar,
	} {
		seen, returns := 0, 0
		for addr, insn := range code {
			if addr < f.off || addr >= f.off+f.size {
				continue
			}
			seen++
			if strings.Join(strings.Fields(insn), " ") == "jmp *%rbx" {
				returns++
			} else if forbidden.MatchString(insn) {
				t.Errorf("%s: %#x: %s", name, addr, insn)
			}
		}
		// The second entry of AVX2 joins the first.
		if want := map[bool]int{false: 1}[name == "avx2_zmm"]; seen < 16 || returns != want {
			t.Errorf("%s: %d instructions, %d returns", name, seen, returns)
		}
	}
}

// disassemble returns the built image's instructions by address.
func disassemble(t *testing.T) map[uint64]string {
	t.Helper()
	out, err := exec.Command("objdump", "-d", "--no-show-raw-insn", "image.elf").Output()
	if err != nil {
		t.Fatalf("objdump (on Debian: apt-get install binutils): %v", err)
	}
	code := map[uint64]string{}
	for _, m := range regexp.MustCompile(`(?m)^ +([0-9a-f]+):\t(.*)$`).FindAllStringSubmatch(string(out), -1) {
		addr, _ := strconv.ParseUint(m[1], 16, 64)
		code[addr] = strings.TrimSpace(m[2])
	}
	return code
}

// TestInstructions: general registers only, but for clearing xmm15 and in the
// block functions, and system calls at the gate and in the stubs only.
func TestInstructions(t *testing.T) {
	vectors := regexp.MustCompile(`%([xyz]mm|mm|st|k)[0-9(]|\bx(save|rstor)|fxsave|emms|%[fg]s:`)
	inStub := func(addr uint64) bool {
		for _, c := range calls {
			if addr >= c.stub.off && addr < c.stub.off+c.stub.size {
				return true
			}
		}
		return false
	}
	inBlocks := func(addr uint64) bool {
		for _, f := range []function{chachaAvx512, chachaAvx2, chachaAvx2Zmm} {
			if addr >= f.off && addr < f.off+f.size {
				return true
			}
		}
		return false
	}
	clears, stubs, exits, open := 0, 0, 0, 0
	for addr, insn := range disassemble(t) {
		if strings.HasPrefix(insn, "(bad)") {
			t.Errorf("%#x: %s", addr, insn)
		}
		if strings.Join(strings.Fields(insn), " ") == "pxor %xmm15,%xmm15" {
			clears++
		} else if vectors.MatchString(insn) && !inBlocks(addr) {
			t.Errorf("%#x: %s", addr, insn)
		}
		if strings.HasPrefix(insn, "syscall") && addr != GateOff {
			switch {
			case addr > ExitsOff && addr < ExitsEnd && (addr-ExitsOff)%16 == 0:
				exits++
			case addr >= ExitsEnd && addr < ExitsOff+ExitsSize && (addr-ExitsOff)%16 == 0:
				open++
			case inStub(addr):
				stubs++
			default:
				t.Errorf("a system call at %#x", addr)
			}
		}
	}
	if stubs != len(calls) || exits != 510+1+32+16 || open != 128 {
		t.Errorf("%d system calls in stubs, %d in exempt exits, %d in others", stubs, exits, open)
	}
	if clears == 0 {
		t.Error("xmm15 is not cleared")
	}
	if code := disassemble(t); code[GateOff] != "syscall" || code[GateOff+2] != "jmp    *%rbx" {
		t.Errorf("the gate is %q, %q", code[GateOff], code[GateOff+2])
	}
}

func TestCheckShapeRefuses(t *testing.T) {
	_, own, _ := Own()
	f, err := elf.NewFile(bytes.NewReader(own))
	if err != nil {
		t.Fatal(err)
	}
	program := func(b []byte, typ elf.ProgType) []byte {
		for i, p := range f.Progs {
			if p.Type == typ {
				return b[64+56*i:]
			}
		}
		return nil
	}
	dynamic := func(b []byte, tag elf.DynTag) []byte {
		for d := b[dynamicRoom.off:]; ; d = d[16:] {
			if elf.DynTag(le.Uint64(d)) == tag {
				return d
			}
		}
	}
	for _, tt := range []struct {
		name, want string
		change     func(b []byte) []byte
	}{
		{"nothing", "no ELF header", func(b []byte) []byte { return nil }},
		{"32-bit", "64-bit", func(b []byte) []byte { b[4] = 1; return b }},
		{"arm64", "machine 183", func(b []byte) []byte { b[18] = 183; return b }},
		{"program", "type 2", func(b []byte) []byte { b[16] = 2; return b }},
		{"huge", "more than any", func(b []byte) []byte { return append(b, make([]byte, maxImage)...) }},
		{"writable", "writable", func(b []byte) []byte { program(b, elf.PT_LOAD)[4] = 7; return b }},
		{"not executable", "executable", func(b []byte) []byte { program(b, elf.PT_LOAD)[4] = 4; return b }},
		{"dynamic writable", "marked writable", func(b []byte) []byte { program(b, elf.PT_DYNAMIC)[4] = 6; return b }},
		{"two segments", "2 loadable", func(b []byte) []byte {
			copy(program(b, elf.PT_NOTE), program(b, elf.PT_LOAD)[:56])
			return b
		}},
		{"cut short", "outside the image", func(b []byte) []byte { return b[:PageSize] }},
		{"bss", ".bss", func(b []byte) []byte { le.PutUint64(program(b, elf.PT_LOAD)[40:], 2*ImageSize); return b }},
		{"thread-local", "thread-local", func(b []byte) []byte { le.PutUint32(program(b, elf.PT_NOTE), uint32(elf.PT_TLS)); return b }},
		{"relocations", "relocations", func(b []byte) []byte { le.PutUint64(dynamic(b, elf.DT_FLAGS), uint64(elf.DT_RELA)); return b }},
		{"library", "DT_NEEDED", func(b []byte) []byte { le.PutUint64(dynamic(b, elf.DT_FLAGS), uint64(elf.DT_NEEDED)); return b }},
		{"version", "LINUX_2.6", func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("LINUX_2.6"), []byte("LINUX_2.5")) }},
		{"no hash", "DT_HASH", func(b []byte) []byte {
			le.PutUint64(dynamic(b, elf.DT_HASH), uint64(elf.DT_DEBUG))
			le.PutUint64(dynamic(b, elf.DT_GNU_HASH), uint64(elf.DT_DEBUG))
			return b
		}},
		{"broken hash", "not found", func(b []byte) []byte { clear(b[gnuHashRoom.off+16:][:8*bloomWords]); return b }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := CheckShape(tt.change(bytes.Clone(own)))
			if !errors.Is(err, ErrShape) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, not %q", err, tt.want)
			}
		})
	}
	_, kernel, err := Kernel()
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckShape(kernel); err != nil {
		t.Errorf("the kernel's own: %v", err)
	}
}
