package integration

import (
	"fmt"
	"os"
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

// TestMovedInParts: where not all mappings can be moved at once, as before Linux 6.17, each is moved by itself; where one of
// them can't be, those before it are moved back.
func TestMovedInParts(t *testing.T) {
	maps, err := os.ReadFile("/proc/self/maps")
	must(t, err)
	var all, first, last uint64
	for _, m := range regexp.MustCompile(`(?m)^([0-9a-f]+)-([0-9a-f]+) .*\[v(?:var|dso).*\]$`).FindAllStringSubmatch(string(maps), -1) {
		from, _ := strconv.ParseUint(m[1], 16, 64)
		to, _ := strconv.ParseUint(m[2], 16, 64)
		last = to - from
		if all += last; first == 0 {
			first = last
		}
	}
	if first == 0 || first == last {
		t.Fatalf("mappings of %#x, … %#x bytes: sizes don't tell them apart here", first, last)
	}
	rule := func(size uint64) string {
		return fmt.Sprintf("  - {calls: mremap, when: arg1 == %d, do: deny}\n", size)
	}
	for _, test := range []struct {
		what, rules string
		moved       bool
	}{
		{"one by one", rule(all), true},
		{"the first stays", rule(all) + rule(first), false},
		{"a later one stays", rule(all) + rule(last), false},
	} {
		argv := underReflect(writePolicy(t, "version: 1\nrules:\n"+test.rules), "/bin/sh", "-c", "cat /proc/self/maps; date +%s")
		o := (&program{argv: argv}).run(t, argv)
		m := vdsoAt.FindStringSubmatch(o.stdout)
		if m == nil || describe(o.status) != "status 0" || strings.HasPrefix(m[1], "000") != test.moved {
			t.Errorf("%s: %s\n%s%s", test.what, describe(o.status), o.stdout, o.stderr)
		}
	}
}

// TestNotMoved: a filter around reflect that kills for mremap kills nobody: programs here never made that call.
func TestNotMoved(t *testing.T) {
	filter := victim(t, "filter.c", "glibc-static")
	for name, flags := range map[string][]string{"before the runtime": nil, "by the runtime": {"-p", "default"}} {
		t.Run(name, func(t *testing.T) {
			// The shell reads by itself: another program's allocator might call mremap.
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
