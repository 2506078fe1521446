package site

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/sysreflect/sysreflect/internal/elf"
)

// TestFrames compares the two ways to the unwind tables, and every row of them
// with readelf's.
func TestFrames(t *testing.T) {
	for _, path := range []string{"/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"} {
		f := open(t, path)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		e, err := elf.New(data)
		if err != nil {
			t.Fatal(err)
		}
		slow := &frames{file: f}
		s, b := section(data, e, ".eh_frame")
		slow.readAll(b, s.Addr)
		if f.frames.table == nil || f.frames.count() != slow.count() || slow.count() == 0 {
			t.Fatalf("%s: %d entries by the sorted table, %d by walking", path, f.frames.count(), slow.count())
		}
		for i := range slow.count() {
			if d, ok := f.frames.frame(i); !ok || d.start != slow.all[i].start || d.end != slow.all[i].end {
				t.Fatalf("%s: entry %d: %+v, not %+v", path, i, d, slow.all[i])
			}
		}
		rows, expressions := compareRows(t, path, f)
		t.Logf("%s: %d functions, %d rows, %d of them computed", path, slow.count(), rows, expressions)
		if rows < slow.count() {
			t.Errorf("%s: %d rows of %d functions compared", path, rows, slow.count())
		}
	}
}

// compareRows reads readelf's table of frames: a line of addresses for each
// entry, then the rows, address and frame first.
func compareRows(t *testing.T, path string, f *File) (rows, expressions int) {
	t.Helper()
	// It fails where a file with debug information is named that isn't there.
	out, err := exec.Command("readelf", "-wF", path).Output()
	if len(out) == 0 {
		t.Fatal(err)
	}
	names := []string{"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"}
	function := false
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if strings.Contains(line, " FDE ") || strings.Contains(line, " CIE ") {
			function = strings.Contains(line, " FDE ")
		}
		if len(fields) < 2 || len(fields[0]) != 16 || !function || strings.Contains(line, "FDE") {
			continue
		}
		addr, err := strconv.ParseUint(fields[0], 16, 64)
		if err != nil {
			continue
		}
		d, ok := f.frames.covering(addr)
		if !ok {
			t.Errorf("%s: no function at %#x", path, addr)
			continue
		}
		r, ok := d.row(addr)
		rows++
		if got := fmt.Sprintf("%s+%d", names[r.register&15], r.offset); fields[1] == "exp" {
			expressions++
			if ok {
				t.Errorf("%s: %#x: a row for a frame that is computed", path, addr)
			}
		} else if !ok || got != fields[1] {
			t.Errorf("%s: %#x: %s, not %s", path, addr, got, fields[1])
		}
		// The columns say where each register is saved.
		if saved := strings.Count(line, " c-") + strings.Count(line, " c+"); ok && saved != saves(r) {
			t.Errorf("%s: %#x: %d registers saved, not %d: %s", path, addr, saves(r), saved, line)
		}
	}
	return rows, expressions
}

func saves(r row) (n int) {
	for _, rule := range r.rules {
		if strings.HasPrefix(rule, "offset ") || strings.HasPrefix(rule, "17 ") { // signed
			n++
		}
	}
	return n
}
