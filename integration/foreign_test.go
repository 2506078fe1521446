package integration

import (
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

// TestForeignCalls makes 32-bit and x32 calls from a 64-bit program. Their numbers
// are other calls' in 64 bits.
func TestForeignCalls(t *testing.T) {
	p := program{argv: []string{victim(t, "compat.c", "glibc")}}
	p.works(t, "getrandom 16")
	p.flags = []string{"-m", "notify"}
	p.works(t)
}
