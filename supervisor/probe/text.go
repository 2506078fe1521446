package probe

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// width is what a terminal surely has.
const width = 100

// WriteText writes the report for people: the answer, then the mechanisms, what
// is forbidden, and the features.
func (r *Report) WriteText(w io.Writer) error {
	var b bytes.Buffer
	r.writeAnswer(&b)

	rows := [][]string{{"mechanism", "usable", "null call", "kernel", "ptrace", "nests", "race-safe", "boundary", "why"}}
	for _, m := range r.Mechanisms {
		rows = append(rows, []string{m.Name, yesNo(m.Usable), nanoseconds(m.NullCall), string(m.Kernel), yesNo(m.NeedsPtrace), yesNo(m.Nests),
			yesNo(m.RaceSafe), yesNo(m.Boundary), orDash(m.Why)})
	}
	table(&b, rows)
	b.WriteString("\n")
	rows = [][]string{{"null call", "what a call costs that does nothing, measured just now (see reflect bench)"}, {"ptrace", "programs are traced, if only for a moment at their execs"},
		{"race-safe", "no thread can change pointed-to memory between a look at it and its use"},
		{"boundary", "a hostile program can't get around it"}}
	for _, m := range r.Mechanisms {
		if m.Notes != "" {
			rows = append(rows, []string{m.Name, m.Notes})
		}
	}
	table(&b, rows)

	if forbidden := r.forbidden(); len(forbidden) > 0 {
		b.WriteString("\nForbidden by a seccomp profile:\n\n")
		rows = [][]string{{"call", "answered with", "where the kernel says"}}
		for _, c := range forbidden {
			rows = append(rows, []string{c.Name, c.Answer, c.Expected})
		}
		table(&b, rows)
	}

	b.WriteString("\n")
	rows = [][]string{{"feature", "here", "since", "what it is, or why not"}}
	for _, f := range r.Features {
		about := f.Why
		if f.Status == Yes {
			about = f.What
			if f.Value != "" {
				about += ": " + f.Value
			}
		}
		rows = append(rows, []string{f.Name, string(f.Status), orDash(f.Since), about})
	}
	table(&b, rows)

	b.WriteString("\n")
	p := &r.Process
	table(&b, [][]string{
		{"process", ""},
		{"user", r.user()},
		{"no_new_privs", yesNo(p.NoNewPrivs)},
		{"seccomp", [...]string{"none", "strict", "filters"}[min(max(p.Seccomp, 0), 2)] + count(p.Filters)},
		{"under a listener", string(p.Listener)},
		{"tracer", orNone(p.Tracer)},
		{"container", orDash(p.Container)},
		{"user namespace", map[bool]string{true: "its own", false: "the initial one"}[p.UserNS]},
		{"security modules", orDash(strings.Join(p.LSM, " "))},
		{"confined as", orDash(p.Label)},
		{"yama.ptrace_scope", orAbsent(p.Yama)},
		{"vm.mmap_min_addr", strconv.FormatUint(p.MinAddr, 10)},
		{"vm.memfd_noexec", orAbsent(p.MemfdExec)},
		{"clock source", orDash(p.Clock)},
	})
	_, err := w.Write(b.Bytes())
	return err
}

func (r *Report) writeAnswer(b *bytes.Buffer) {
	var usable []string
	var why string
	for _, m := range r.Mechanisms {
		if m.Usable {
			usable = append(usable, m.Name)
		} else if m.Available && why == "" {
			why = m.Why
		}
	}
	head := fmt.Sprintf("Linux %s, %s, as %s: ", r.Kernel, r.Machine, r.user())
	if len(usable) == 0 {
		head += "reflect does not work here"
		if why != "" {
			head += ": " + why
		}
	} else {
		head += "reflect works here, by " + list(usable)
	}
	for i, line := range wrap(head+".", width-2) {
		if i > 0 {
			b.WriteString("  ")
		}
		b.WriteString(line + "\n")
	}
	b.WriteString("\n")
}

func (r *Report) user() string {
	who := "uid " + strconv.Itoa(r.Process.UID)
	if r.Process.UID == 0 {
		who = "root"
		if r.Process.UserNS {
			who = "root of a user namespace"
		} else if !r.Process.SysAdmin {
			who = "root without CAP_SYS_ADMIN"
		}
	}
	return who
}

func (r *Report) forbidden() (calls []Call) {
	for _, c := range r.Calls {
		if c.Forbidden {
			calls = append(calls, c)
		}
	}
	return calls
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func orAbsent(n int) string {
	if n < 0 {
		return "not in this kernel"
	}
	return strconv.Itoa(n)
}

func orNone(pid int) string {
	if pid == 0 {
		return "none"
	}
	return "process " + strconv.Itoa(pid)
}

func count(n int) string {
	if n <= 0 {
		return ""
	}
	return ", " + strconv.Itoa(n)
}

// table writes rows under a heading row, the last column wrapped.
func table(b *bytes.Buffer, rows [][]string) {
	last := len(rows[0]) - 1
	sizes := make([]int, last)
	for _, row := range rows {
		for i := range sizes {
			sizes[i] = max(sizes[i], utf8.RuneCountInString(row[i]))
		}
	}
	indent := 0
	for _, n := range sizes {
		indent += n + 2
	}
	for _, row := range rows {
		for i, n := range sizes {
			fmt.Fprintf(b, "%-*s  ", n, row[i])
		}
		for i, line := range wrap(row[last], max(width-indent, 20)) {
			if i > 0 {
				fmt.Fprintf(b, "%*s", indent, "")
			}
			b.WriteString(line + "\n")
		}
	}
	// No blanks at line ends.
	text := b.String()
	for strings.Contains(text, " \n") {
		text = strings.ReplaceAll(text, " \n", "\n")
	}
	b.Reset()
	b.WriteString(text)
}

// wrap breaks s into lines of at most n characters, at least one line.
func wrap(s string, n int) []string {
	lines := []string{}
	line := ""
	for _, word := range strings.Fields(s) {
		for utf8.RuneCountInString(word) > n { // a word that fits nowhere
			if line != "" {
				lines = append(lines, line)
				line = ""
			}
			runes := []rune(word)
			lines = append(lines, string(runes[:n]))
			word = string(runes[n:])
		}
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= n:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

// list joins words as in a sentence.
func list(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// nanoseconds prints what was measured with three digits.
func nanoseconds(ns float64) string {
	switch {
	case ns <= 0:
		return "-"
	case ns < 100:
		return strconv.FormatFloat(ns, 'g', 2, 64) + " ns"
	case ns < 1000:
		return strconv.FormatFloat(ns, 'f', 0, 64) + " ns"
	}
	return strconv.FormatFloat(ns/1000, 'f', 1, 64) + " µs"
}
