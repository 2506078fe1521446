package vdsoshim

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The flags of proc_pid_smaps(5): wf wiped at a fork, dd not in core files, lo
// locked, dp droppable.
func TestMappings(t *testing.T) {
	for _, tt := range []struct {
		name             string
		noDroppable      bool
		args             []string
		have, haveNot    []string // of the secrets
		needsMapDropping bool
	}{
		{name: "droppable", have: []string{"wf", "dd", "dp"}, haveNot: []string{"lo"}, needsMapDropping: true},
		{name: "droppable, nothing may be locked", args: []string{"nolock=1"}, have: []string{"wf", "dd", "dp"}, needsMapDropping: true},
		{name: "fallback", noDroppable: true, have: []string{"wf", "dd", "lo"}, haveNot: []string{"dp"}},
		{name: "fallback, nothing may be locked", noDroppable: true, args: []string{"nolock=1"}, have: []string{"wf", "dd"}, haveNot: []string{"dp", "lo"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.needsMapDropping && !hasDroppable() {
				t.Skip("Linux 6.11 has MAP_DROPPABLE")
			}
			lines := map[string][]string{}
			for line := range strings.Lines(realSubject(t, bestBlockFunction().off, tt.noDroppable).pass(t, "maps", tt.args...)) {
				f := strings.Fields(line)
				lines[f[0]] = f[1:]
			}
			slots, secrets := lines["slots"], lines["secrets"]
			if len(slots) < 2 || slots[0] != "40000" || slots[1] != "rw-p" {
				t.Errorf("slots: %v", slots)
			}
			if len(secrets) < 2 || secrets[0] != "80000" || secrets[1] != "rw-p" {
				t.Errorf("secrets: %v", secrets)
			}
			for _, flag := range []string{"wf", "dd", "dp"} {
				if slices.Contains(slots, flag) {
					t.Errorf("slots have %s: %v", flag, slots)
				}
			}
			for _, flag := range tt.have {
				if !slices.Contains(secrets, flag) {
					t.Errorf("secrets have no %s: %v", flag, secrets)
				}
			}
			for _, flag := range tt.haveNot {
				if slices.Contains(secrets, flag) {
					t.Errorf("secrets have %s: %v", flag, secrets)
				}
			}
		})
	}
}

func TestCoreFile(t *testing.T) {
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	if err != nil {
		t.Fatal(err)
	}
	if len(pattern) == 0 || strings.ContainsAny(string(pattern[0]), "|/") {
		t.Skipf("core files go elsewhere: %s", pattern) // TestMappings sees what keeps pages out of them
	}
	for _, noDroppable := range []bool{false, true} {
		s := realSubject(t, bestBlockFunction().off, noDroppable)
		s.dir = t.TempDir()
		batch, err := s.run(t, "core")
		if err == nil || len(batch) < 1000 {
			t.Fatalf("%v, %q", err, batch)
		}
		names, _ := filepath.Glob(filepath.Join(s.dir, "core*"))
		if len(names) != 1 {
			t.Fatalf("%d core files", len(names))
		}
		core, err := os.ReadFile(names[0])
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(core, []byte("This is in the core file")) {
			t.Error("what should be in the core file isn't")
		}
		for i := 0; i+8 <= len(batch); i += 8 {
			if bytes.Contains(core, []byte(batch[i:i+8])) {
				t.Fatalf("the batch is in the core file")
			}
		}
	}
}
