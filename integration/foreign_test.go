package integration

import (
	"os"
	"strings"
	"testing"
)

// TestThirtyTwoBits runs 32-bit programs: they run unreflected, and reflect says so.
func TestThirtyTwoBits(t *testing.T) {
	i386 := victim(t, "i386.s", "i386")
	for _, argv := range [][]string{
		{i386},
		{i386, i386},
		{i386, "/bin/true"}, // back to 64 bits
		{i386, victim(t, "bare.c", "bare")},
		{"/bin/sh", "-c", i386 + "; echo $?; " + i386 + " " + i386 + " | cat; /bin/echo last"},
	} {
		p := program{argv: argv}
		native, reflected := p.run(t, argv), p.run(t, underReflect(nil, argv...))
		if !strings.Contains(native.stdout, "32 bits") {
			t.Fatalf("natively: %s %q", describe(native.status), native.stdout)
		}
		said := reflected.stderr
		reflected.stderr = native.stderr
		p.differs(t, native, reflected)
		if !strings.HasPrefix(said, "reflect: ") || !strings.Contains(said, "32-bit") || strings.Count(said, "\n") != 1 {
			t.Errorf("standard error does not tell of the 32-bit program in one line: %q", said)
		}
		c, o := p.count(t)
		reflected.stdout, reflected.status = o.stdout, o.status
		p.differs(t, native, reflected)
		if len(c.Missed) != 1 || !strings.Contains(c.Missed[0].Reason, "32-bit") {
			t.Errorf("missed: %+v", c.Missed)
		}
	}
}

// TestStrictRefusesBeforehand executes what its file shows to be no program that can
// be reflected, also by a script: the caller hears of it and goes on.
func TestStrictRefusesBeforehand(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		i386 := victim(t, "i386.s", "i386")
		prepare := func(t *testing.T, dir string) {
			must(t, os.WriteFile(dir+"/script", []byte("#! "+i386+" x\n"), 0o755))
			program, err := os.ReadFile("/bin/true")
			must(t, err)
			must(t, os.WriteFile(dir+"/unreadable", program, 0o755))
			must(t, os.Chmod(dir+"/unreadable", 0o111))
			if who.cred != nil { // whose it is may read it
				must(t, os.Chown(dir+"/unreadable", 0, 0))
			}
		}
		p := program{
			argv: []string{"/bin/sh", "-c", i386 + "; echo $?; ./script; echo $?; ./unreadable; echo $?; cd /; " + i386[1:] + "; echo $?; /bin/echo last"},
			user: who, prepare: prepare,
		}
		unreadable := "126"
		if os.Getuid() == 0 && who.cred == nil {
			unreadable = "0" // root reaches it
		}
		o := p.run(t, underReflect([]string{"--strict"}, p.argv...))
		if want := "126\n126\n" + unreadable + "\n126\nlast\n"; o.stdout != want || o.status != 0 {
			t.Errorf("%s, %q instead of %q\n%s", describe(o.status), o.stdout, want, o.stderr)
		}
		p.argv = []string{i386}
		if o = p.run(t, underReflect([]string{"--strict"}, i386)); o.status.ExitStatus() != 126 || o.stdout != "" {
			t.Errorf("alone: %s %q", describe(o.status), o.stdout)
		}
	})
}

// TestForeignCalls makes 32-bit and x32 calls from a 64-bit program. Their numbers
// are other calls' in 64 bits.
func TestForeignCalls(t *testing.T) {
	p := program{argv: []string{victim(t, "compat.c", "glibc")}}
	p.works(t, "getrandom 16")
	p.flags = []string{"-m", "notify"}
	p.works(t)
}
