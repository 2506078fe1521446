package overhead

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/sysreflect/sysreflect/experiment/results"
)

// inner reports whether a figure is one of calls, measured by windows.
func inner(f *results.Figure) bool {
	switch f.Subject {
	case "null", "passthrough", "getrandom", "time", "tax":
		return f.Param("threads") == "" && f.Group == "calls"
	}
	return false
}

// elsewhere reports whether a figure's calls are served in another process.
func elsewhere(f *results.Figure) bool {
	way := f.Way
	if by, ok := strings.CutPrefix(f.Note, servedBy); ok {
		way = by
	}
	return elsewhereBy(way) && (f.Subject != "tax" || way == "ptrace-all")
}

// Known says how many figures of calls are known within [Precision], which are not, and
// why that may be; nothing where there are none.
func Known(run *results.Run) string {
	type wide struct {
		f    *results.Figure
		half float64
	}
	var not []wide
	all, least, most := 0, 0, 0
	for i := range run.Figures {
		f := &run.Figures[i]
		if !inner(f) || f.Way == again {
			continue
		}
		all++
		if n := len(f.Sessions); n > 0 {
			if least == 0 || n < least {
				least = n
			}
			most = max(most, n)
		}
		half := f.Summary().HalfWidth()
		if len(f.Samples) < results.LeastSamples {
			half = math.Inf(1)
		}
		if !(half < Precision) {
			not = append(not, wide{f, half})
		}
	}
	if all == 0 {
		return ""
	}
	said := fmt.Sprintf("precision: %d of %d figures of calls are known within ± %s", all-len(not), all, strings.Replace(percent(Precision), ".0", "", 1))
	switch {
	case least < most:
		said += fmt.Sprintf(", by %d to %d sessions", least, most)
	case most > 0:
		said += fmt.Sprintf(", by %d sessions", most)
	}
	if len(not) == 0 {
		return said
	}
	slices.SortStableFunc(not, func(a, b wide) int {
		switch {
		case a.half > b.half:
			return -1
		case a.half < b.half:
			return 1
		}
		return 0
	})
	const named = 8
	var names []string
	for _, w := range not[:min(named, len(not))] {
		name := w.f.Subject + " " + w.f.Way
		if n := w.f.Param("bytes"); n != "" {
			name = w.f.Subject + "(" + n + ") " + w.f.Way
		}
		if math.IsInf(w.half, 1) {
			names = append(names, name)
			continue
		}
		names = append(names, name+" (± "+percent(w.half)+")")
	}
	said += "; not " + strings.Join(names, ", ")
	if more := len(not) - named; more > 0 {
		said += fmt.Sprintf(" and %d more", more)
	}
	return said + "; likely because " + why(run, !slices.ContainsFunc(not, func(w wide) bool { return !elsewhere(w.f) }))
}

// why says what wide intervals may be due to.
func why(run *results.Run, served bool) string {
	m := &run.Machine
	switch {
	case run.Interrupted:
		return "the run was ended early"
	case m.Busy >= 0.05 || len(m.Neighbours) > 0 || m.Steal >= 0.002:
		return "others used the machine"
	case run.Noise.Shared >= 0.1:
		return "others used the same core"
	case run.Noise.Value >= 0.01:
		return "the machine's own noise is " + percent(run.Noise.Value)
	case run.Noise.Pace >= 0.01:
		return "the machine's own speed changed, and not by as much for all"
	case served && slices.Contains(run.Command, "--no-pin"):
		return "on which processor the kernel wakes a supervisor changes"
	}
	return "the run was too short (--time)"
}
