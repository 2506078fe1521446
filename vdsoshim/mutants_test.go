package vdsoshim

import (
	"cmp"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An edit of one of the shim's sources: text that stands there once, or where no
// file is named, once in all of them.
type edit struct{ file, old, new string }

// A mutant is a generator with a flaw that a test has to find. Each is what
// somebody could take for an improvement, or has once been.
type mutant struct {
	name  string
	edits []edit
	mode  string
	args  []string
	want  string // in the complaint; "" for a mutant without a flaw
}

// outside moves the locks out of the slots, into memory that the harness maps
// behind the region: plain (1), wiped at a fork (2) or droppable (3).
func outside(kind string) ([]edit, []string) {
	return []edit{{file: "generator.h", old: "#define SLOT_LOCK 0\t", new: "#define SLOT_LOCK (REGION_SIZE - SLOTS_OFF)\t"}},
		[]string{"extra=" + kind, "locksoutside=1"}
}

func mutants() []mutant {
	locks := func(name, kind, words, want string) mutant {
		edits, args := outside(kind)
		return mutant{name: name, edits: edits, mode: "explore", want: want,
			args: append(args, "words="+words, "scenario=hit")}
	}
	explore := func(name, scenario, words, want string, edits ...edit) mutant {
		return mutant{name: name, edits: edits, mode: "explore", want: want,
			args: []string{"scenario=" + scenario, "words=" + words}}
	}
	secrets := func(name, want string, edits ...edit) mutant {
		return mutant{name: name, edits: edits, mode: "secrets", want: want}
	}
	entry := func(name, want string, edits ...edit) mutant {
		return mutant{name: name, edits: edits, mode: "entry", want: want, args: []string{"states=7", "lengths=400"}}
	}
	const s = "" // whichever
	check := "\tcmp %r9, SECRET_GENERATION(%r10)\n\tjne .L\\name\\()_changed\n"
	generation := "\tmov %r9, SECRET_GENERATION(%r10)\n"
	return []mutant{
		locks("locks in plain memory elsewhere", "1", "dn,fn,fdn,N,r", ""),
		locks("locks wiped at a fork", "2", "fn", "bytes "),
		locks("locks in droppable memory", "3", "dn", "bytes "),
		explore("no check of the page after the copy", "hit", "d", "zeros",
			edit{file: s, old: ".L\\name\\()_check:\n" + check, new: ".L\\name\\()_check:\n"}),
		explore("no check of the control page after the copy", "hit", "b", "of an old generation",
			edit{file: s, old: "\tcmp %r9, CONTROL\n\tjne .L\\name\\()_changed\n"}),
		explore("no check of the first part", "in two parts", "d", "zeros",
			edit{file: s, old: "\tHAND_OUT\n" + check + "1:", new: "\tHAND_OUT\n1:"}),
		explore("no check of direct blocks", "direct and batch", "d", "made of no key",
			edit{file: s, old: "\tcmp %r9, SECRET_GENERATION(%r10)\n\tje .L\\name\\()_batch\n\tjmp .L\\name\\()_changed\n",
				new: "\tjmp .L\\name\\()_batch\n"}),
		explore("position before generation", "direct, new generation", "d", "zeros",
			edit{file: s, old: generation + "\tmovl $BATCH, SECRET_POSITION(%r10)\n",
				new: "\tmovl $BATCH, SECRET_POSITION(%r10)\n" + generation}),
		explore("generation written after the key", "used up", "d", "bytes ",
			edit{file: s, old: "_refill:\n" + generation, new: "_refill:\n"},
			edit{file: s, old: "\tRESTORE\n\tjmp .L\\name\\()_fresh\n", new: "\tRESTORE\n" + generation + "\tjmp .L\\name\\()_fresh\n"}),
		{name: "locks freed after a fork", mode: "explore", want: "bytes ",
			args: []string{"extra=2", "scenario=hit", "words=fn"},
			// The first that sees the wiped word of a new process frees its slot.
			edits: []edit{{file: s, old: "\t.macro TAKE_OTHER taken, none\n", new: "\t.macro TAKE_OTHER taken, none\n" +
				"\tcmpq $0, (__ehdr_start + REGION_SIZE + 64)(%rip)\n\tjne 7f\n" +
				"\tmovq $1, (__ehdr_start + REGION_SIZE + 64)(%rip)\n" +
				"\tmovq $0, SLOT_LOCK(%rax)\n\tlock btsq $LOCK_BIT, SLOT_LOCK(%rax)\n\tjmp \\taken\n7:\n"}}},
		explore("position not kept", "hit", "n", "zeros",
			edit{file: s, old: "\tmov %eax, SECRET_POSITION(%r10)\n"}),
		{name: "position not kept, in the storm", mode: "stress", want: " zeros,",
			args:  []string{"millis=200", "tablebits=20"},
			edits: []edit{{file: s, old: "\tmov %eax, SECRET_POSITION(%r10)\n"}}},
		explore("a slot is never given back", "call: hit", "n", "left taken",
			edit{file: s, old: "\tmovq $0, SLOT_LOCK(%rax)\n\tmov %rsi, %rax\n", new: "\tmov %rsi, %rax\n"}),
		entry("a register is lost", "register 9",
			edit{file: s, old: "\tmov SAVED_9(%rax), %r9\n"}),
		entry("the overflow flag is lost", "flags",
			edit{file: s, old: "\tadd $0x7f, %al\n\tsahf\n\tmov %r8, %rax\n", new: "\tsahf\n\tmov %r8, %rax\n"}),
		entry("xmm15 is left", "xmm 15",
			edit{file: s, old: "\tpxor %xmm15, %xmm15\n\tret\n", new: "\tret\n"}),
		secrets("bytes not erased", "memory",
			edit{file: s, old: "movq $0, \\at(%rcx, %rax)"}),
		secrets("last bytes not erased", "memory",
			edit{file: s, old: "movq $0, -8(%rcx, %rsi)"}),
		secrets("key not erased", "is left",
			edit{file: s, old: "\tmovq $0, SECRET_KEY + \\at(%r10)\n"}),
		secrets("what was copied last is left in a register", "registers",
			edit{file: s, old: "\t/* What was copied last. */\n\txor %r11d, %r11d\n"}),
	}
}

// build makes the mutant's image, with the plan that the real one has.
func (m mutant) build(t *testing.T, builder string, like *subject) *subject {
	t.Helper()
	src, out := t.TempDir(), t.TempDir()
	if err := os.CopyFS(src, os.DirFS("shim")); err != nil {
		t.Fatal(err)
	}
	for _, e := range m.edits {
		paths, _ := filepath.Glob(filepath.Join(src, cmp.Or(e.file, "*")))
		found := 0
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			found += strings.Count(string(text), e.old)
			if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), e.old, e.new)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if found != 1 {
			t.Fatalf("%q stands %d times in %s", e.old, found, cmp.Or(e.file, "the sources"))
		}
	}
	if message, err := exec.Command(builder, "-src", src, "-o", out).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, message)
	}
	layout, err := os.ReadFile(filepath.Join(out, "layout_amd64.go"))
	if err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(filepath.Join(out, "image.elf"))
	if err != nil {
		t.Fatal(err)
	}
	s := &subject{image: image, layout: parseLayout(string(layout))}
	plan := func(s *subject) []byte { return s.image[s.layout["planOff"]:][:planLink+4*linkSlots] }
	copy(plan(s), plan(like))
	binary.LittleEndian.PutUint32(plan(s)[planBlocks:], uint32(s.layout[bestBlockFunction().name+"Off"]))
	if probed().rdpid {
		number := s.image[s.layout["rdpid"]:][:rdpid.size]
		copy(s.image[s.layout["cpuVdsoOff"]:], number)
		copy(s.image[s.layout["cpuCallOff"]:], number)
	}
	return s
}

func TestMutants(t *testing.T) {
	noteSources("shim/*")
	builder := filepath.Join(t.TempDir(), "build")
	if message, err := exec.Command("go", "build", "-o", builder, "./internal/build").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, message)
	}
	like := realSubject(t, bestBlockFunction().off, false)
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			s := m.build(t, builder, like)
			out, err := s.run(t, m.mode, append(m.args, "stop=1")...)
			if m.want == "" {
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				return
			}
			if err == nil || !strings.Contains(out, "FAIL") || !strings.Contains(out, m.want) {
				t.Fatalf("not found: %v\n%s", err, out)
			}
			t.Log(strings.TrimSpace(out))
		})
	}
}
