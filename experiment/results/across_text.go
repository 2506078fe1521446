package results

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteCompared writes for people what became of the figures of one run in another:
// what the two were not alike in first. all lists figures without a difference, too.
func WriteCompared(w io.Writer, a, b *Run, all bool) error {
	out := bufio.NewWriter(w)
	if differences := Differences(a, b); len(differences) == 0 {
		fmt.Fprintln(out, "the two runs were alike in all that is known of them")
	} else {
		t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "not alike\tbefore\tafter")
		for _, d := range differences {
			fmt.Fprintf(t, "%s\t%s\t%s\n", d.What, d.A, d.B)
		}
		t.Flush()
	}
	both, onlyA, onlyB := CompareRuns(a, b)
	fmt.Fprintln(out)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	shown := 0
	for _, x := range both {
		if !all && !x.Significant() {
			continue
		}
		if shown == 0 {
			fmt.Fprintln(t, "figure\tbefore\tafter\tafter is\trelative to its baseline")
		}
		shown++
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", x.Figure.Key(), x.Comparison.Baseline.plain(), x.Figure.plain(), x.Words(), x.RelativeWords())
	}
	t.Flush()
	if shown > 0 {
		fmt.Fprintln(out)
	}
	fmt.Fprintln(out, Tally(both))
	for _, only := range []struct {
		where string
		keys  []string
	}{{"before", onlyA}, {"after", onlyB}} {
		if len(only.keys) > 0 {
			fmt.Fprintf(out, "only in the run %s: %s\n", only.where, strings.Join(only.keys, ", "))
		}
	}
	return out.Flush()
}

// Tally says how many figures differ.
func Tally(both []Across) string {
	n := 0
	for _, x := range both {
		if x.Significant() {
			n++
		}
	}
	return fmt.Sprintf("%d of %d figures differ by more than noise and chance (Mann-Whitney, corrected for their number by Holm)", n, len(both))
}

// RelativeWords says what became of the figure beside its own run's baseline.
func (a *Across) RelativeWords() string {
	if a.Relative.N == 0 {
		return "-"
	}
	text := Within(a.Relative.Median, a.Relative.Lo, a.Relative.Hi, "")
	if a.Relative.Lo <= 1 && a.Relative.Hi >= 1 {
		return "n.s., " + text
	}
	return text
}

// plain is the median in a handy unit.
func (f *Figure) plain() string {
	text, unit := Scaled(f.Summary().Median, f.Unit)
	return text + " " + strings.TrimSuffix(unit, "/op")
}

// CommandLine writes a command so that a shell reads it.
func CommandLine(words []string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./,:=@%+"
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = w
		if w == "" || strings.Trim(w, safe) != "" {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
