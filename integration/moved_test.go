package integration

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var vdsoAt = regexp.MustCompile(`(?m)^([0-9a-f]+)-[0-9a-f]+ .*\[vdso\]$`)

// TestMoved: the kernel's vDSO is in the region, behind its data, and works there; where the policy keeps the
// program from mremap it stays where it was, and works there, too.
func TestMoved(t *testing.T) {
	for _, test := range []struct {
		what, policy string
		moved        bool
	}{
		{"by default", "", true}, // nothing is read then: the starter's own way
		{"no rules", "version: 1\n", true},
		{"notified", "version: 1\nrules:\n  - {calls: mremap, mechanism: notify, do: passthrough}\n", true},
		{"failing", "version: 1\nrules:\n  - {calls: mremap, do: {errno: ENOSYS}}\n", true},
		{"killed", "version: 1\nrules:\n  - {calls: mremap, do: kill}\n", false},
		{"killed, sometimes", "version: 1\nrules:\n  - {calls: mremap, when: arg0 == 1, do: kill}\n", false},
		{"denied", "version: 1\nrules:\n  - {calls: mremap, do: deny}\n", false},
		{"logged", "version: 1\nrules:\n  - {calls: mremap, do: audit}\n", false},
	} {
		t.Run(test.what, func(t *testing.T) {
			p := program{argv: []string{"/bin/sh", "-c", "cat /proc/self/maps; date +%s"}}
			if test.policy != "" {
				p.flags = writePolicy(t, test.policy)
			}
			o := p.run(t, underReflect(p.flags, p.argv...))
			m := vdsoAt.FindStringSubmatch(o.stdout)
			if m == nil || describe(o.status) != "status 0" || o.stderr != "" {
				t.Fatalf("%s\n%s%s", describe(o.status), o.stdout, o.stderr)
			}
			at, _ := strconv.ParseUint(m[1], 16, 64)
			if moved := at < 2<<20; moved != test.moved {
				t.Errorf("the vDSO is at %#x", at)
			}
			if strings.Count(o.stdout, "[vdso]") != 1 || strings.Count(o.stdout, "[vvar]") != 1 {
				t.Error(o.stdout)
			}
			lines := strings.Split(strings.TrimSpace(o.stdout), "\n")
			if n, err := strconv.Atoi(lines[len(lines)-1]); err != nil || n < 1e9 {
				t.Errorf("the time is %s", lines[len(lines)-1])
			}
		})
	}
}

// TestNotMoved: a filter around reflect that kills for mremap kills nobody: programs here never made that call.
func TestNotMoved(t *testing.T) {
	filter := victim(t, "filter.c", "glibc-static")
	for name, flags := range map[string][]string{"before the runtime": nil, "by the runtime": {"-p", "default"}} {
		t.Run(name, func(t *testing.T) {
			// A loader and a shell, and a program that is statically linked, and no allocation of many pages.
			argv := append([]string{filter, "nomove"}, underReflect(flags, "/bin/sh", "-c", "while read -r line; do case $line in *vdso*) echo \"$line\";; esac; done </proc/self/maps; exit 9")...)
			p := program{argv: argv}
			o := p.run(t, argv)
			m := vdsoAt.FindStringSubmatch(o.stdout)
			if describe(o.status) != "status 9" || m == nil || len(m[1]) < 9 {
				t.Errorf("%s\n%s%s", describe(o.status), o.stdout, o.stderr)
			}
		})
	}
}
