package integration

import (
	"strings"
	"testing"
)

// TestUnwound: from each instruction of the shim that a patched call goes through, counted or not,
// and of the kernel's vDSO behind it, unwinders find the caller: a thread may be cancelled there, or
// sampled, or crash.
func TestUnwound(t *testing.T) {
	for _, libc := range []string{"glibc", "glibc-static"} {
		argv := []string{victim(t, "unwound.c", libc), "300"}
		for _, flags := range [][]string{nil, {"--stats"}} {
			p := program{argv: argv, flags: append(patchPolicy(t, "getppid"), flags...)}
			p.flags[1] = sameIDs(t, account{})
			// Stubs near the program, and jumps to them, are in no object's extent (docs/mechanisms.md).
			var missing []string
			o := p.run(t, underReflect(p.flags, argv...))
			for line := range strings.Lines(o.stdout) {
				if strings.Contains(line, "reflect-shim") || strings.Contains(line, "[vdso]") || !strings.HasPrefix(line, "lost") {
					missing = append(missing, line)
				}
			}
			if describe(o.status) != "status 0" || strings.Join(missing, "") != "enough steps 1\n" {
				t.Errorf("%s %q: %s\n%s%s", libc, flags, describe(o.status), strings.Join(missing, ""), o.stderr)
			}
			if len(flags) > 0 && !strings.Contains(o.stderr, " patch ") {
				t.Errorf("nothing came by patched sites:\n%s", o.stderr)
			}
			if o := p.run(t, argv); o.stdout != "enough steps 1\n" {
				t.Errorf("natively: %s", o.stdout)
			}
		}
	}
}
