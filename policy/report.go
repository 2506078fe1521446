package policy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// This file writes what the command line shows of policies.

// Report writes all that is wrong with a policy, with excerpts and hints, as
// an editor's or a compiler's user expects it. Other errors take one line.
func Report(w io.Writer, err error) error {
	var es Errors
	var one *Error
	switch {
	case errors.As(err, &es):
	case errors.As(err, &one):
		es = Errors{one}
	default:
		_, err := fmt.Fprintln(w, err)
		return err
	}
	for _, e := range es {
		if _, err := fmt.Fprintln(w, e); err != nil {
			return err
		}
		if x := e.Excerpt(); x != "" {
			if _, err := fmt.Fprintln(w, x); err != nil {
				return err
			}
		}
		if e.Hint != "" {
			if _, err := fmt.Fprintf(w, "  hint: %s\n", e.Hint); err != nil {
				return err
			}
		}
	}
	return nil
}

// Check reads sources as Load does and writes all that is wrong with them, or
// what they may do unexpectedly. The error, if any, is Load's.
func Check(w io.Writer, sources ...string) error {
	plan, err := Load(sources...)
	if err != nil {
		if werr := Report(w, err); werr != nil {
			return werr
		}
		return err
	}
	for _, warning := range plan.Warnings {
		if _, err := fmt.Fprintf(w, "warning: %v\n", warning); err != nil {
			return err
		}
	}
	return nil
}

// Show writes the text of a source.
func Show(w io.Writer, source string) error {
	text, _, err := Source(source)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// List writes the presets.
func List(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range Presets() {
		for i, line := range wrap(p.Description, 72) {
			name := p.Name
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(tw, "%s\t%s\n", name, line)
		}
	}
	return tw.Flush()
}

// ListSets writes the sets, or of those that are named the calls.
func ListSets(w io.Writer, names ...string) error {
	buf := bufio.NewWriter(w)
	if len(names) == 0 {
		tw := tabwriter.NewWriter(buf, 0, 0, 2, ' ', 0)
		for _, s := range sets {
			fmt.Fprintf(tw, "%s\t%d\t%s\n", s.Name, len(s.Numbers()), s.Description)
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	for _, name := range names {
		s, ok := LookupSet(name)
		if !ok {
			return unknownSet(name)
		}
		for _, nr := range s.Numbers() {
			fmt.Fprintln(buf, label(nr))
		}
	}
	return buf.Flush()
}

// wrap breaks text into lines of at most width letters, where it has spaces.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
