package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/sysreflect/sysreflect/experiment/overhead"
	"github.com/sysreflect/sysreflect/experiment/results"
	"github.com/sysreflect/sysreflect/experiment/workload"
	"github.com/sysreflect/sysreflect/policy"
)

// A page is what is written, and what it is written from.
type page struct {
	w                   io.Writer
	calls, all, program *results.Run
	compared            map[string]*results.Comparison // of calls
}

func write(w io.Writer, calls, all, program *results.Run) {
	p := &page{w: w, calls: calls, all: all, program: program, compared: map[string]*results.Comparison{}}
	comparisons := calls.Comparisons()
	for i := range comparisons {
		p.compared[comparisons[i].Figure.Key()] = &comparisons[i]
	}
	p.say("# Results\n\nWhat `reflect bench` found on one machine, and what that says. `make results` measures and writes this page; its sentences")
	p.say("follow from the numbers. [bench.md](bench.md) says what is measured, how, and how to read it.\n")
	p.conditions()
	p.answers()
	p.mechanisms()
	p.attribution()
	p.bystanders()
	p.allCalls()
	p.oneCall()
	p.limits()
}

func (p *page) say(format string, args ...any) { fmt.Fprintf(p.w, format+"\n", args...) }

// conditions says what was measured on, and how much that disturbed.
func (p *page) conditions() {
	m := &p.calls.Machine
	p.say("## The machine\n")
	parts := []string{m.CPU, fmt.Sprintf("%d processors", m.CPUs)}
	if m.Hypervisor != "" {
		parts = append(parts, "a virtual machine ("+m.Hypervisor+")")
	}
	parts = append(parts, "Linux "+m.Kernel, m.LibC)
	p.say("%s; %s.\n", strings.Join(parts, ", "), p.calls.When.Format("January 2006"))
	for _, run := range []struct {
		what string
		run  *results.Run
	}{{"calls", p.calls}, {"whole programs", p.all}} {
		m := &run.run.Machine
		disturbed := ""
		if m.Busy >= 0.1 {
			disturbed = fmt.Sprintf(" **Others used %.0f %% of the processors just before**, so medians are those of a busy machine, intervals are wide, and processor time says more than wall time.", 100*m.Busy)
		}
		if m.Steal >= 0.02 {
			disturbed += fmt.Sprintf(" The hypervisor took %.1f %% of the time.", 100*m.Steal)
		}
		p.say("- For %s the noise was %s.%s", run.what, noise(run.run), disturbed)
	}
	for _, l := range slices.Concat(p.calls.LeftOut, p.all.LeftOut) {
		if l.Subject != "" {
			p.say("- Left out: %s %s: %s.", strings.TrimPrefix(l.Subject, "workload:"), l.Way, l.Why)
		}
	}
	var missing []string
	for _, l := range p.calls.LeftOut {
		if l.Subject == "" {
			missing = append(missing, "`"+l.Way+"` ("+l.Why+")")
		}
	}
	if len(missing) > 0 {
		p.say("- Not measured: %s.", strings.Join(missing, ", "))
	}
	p.say("")
}

func noise(run *results.Run) string {
	if len(run.Noise.By) == 0 {
		return percent(run.Noise.Value)
	}
	lo, hi := math.Inf(1), 0.0
	for subject, v := range run.Noise.By {
		if strings.HasPrefix(subject, "workload:") && strings.HasSuffix(subject, " "+workload.Wall) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	if math.IsInf(lo, 1) {
		return percent(run.Noise.Value)
	}
	if percent(lo) == percent(hi) {
		return percent(lo)
	}
	return percent(lo) + " to " + percent(hi)
}

func percent(v float64) string { return results.Digits(100*v, 100*v/10) + " %" }

// answers says in a few lines what the rest shows.
func (p *page) answers() {
	p.say("## In short\n")
	if native := p.calls.Find("null", workload.Native, nil); native != nil {
		p.say("- A system call that does nothing takes %s natively.", plain(native))
		for _, kind := range []struct {
			how  string
			ways []string
		}{{"served in the program, without a system call", inProgram()}, {"by a signal in the program", bySignal()},
			{"by another process, on the same processor", byProcess()}} {
			if list := p.list("null", nil, kind.ways); list != "" {
				p.say("- The same %s: %s.", kind.how, list)
			}
		}
	}
	p.placed()
	p.passed()
	for _, way := range waysOf(p.all) {
		if way != workload.None {
			p.say("- Whole programs, all of whose calls go by `%s`: %s.", way, p.spread(way))
		}
	}
	if o := workload.Outcomes(p.program); len(o) == 1 {
		for _, r := range o[0].Rows {
			if r.Way == "patch" && r.Against != nil {
				p.say("- A program that asks for little else than random bytes, with that call served in the program by `patch`: %s.", r.Against.Words())
			}
		}
	}
	p.say("")
}

// placed says what becomes of calls that another process serves where the kernel chooses
// its processor.
func (p *page) placed() {
	var parts []string
	for _, way := range byProcess() {
		f := p.calls.Find("placed", way, map[string]string{"call": "null"})
		if f == nil {
			continue
		}
		at := func(share float64) string {
			text, unit := results.Scaled(results.Quantile(f.Samples, share), f.Unit)
			return text + " " + strings.TrimSuffix(unit, "/op")
		}
		parts = append(parts, fmt.Sprintf("%s to %s (`%s`, half of windows above %s)", at(0.05), at(0.95), way, at(0.5)))
	}
	if len(parts) > 0 {
		p.say("- Where the kernel puts that process, as users have it, it is often woken on another processor, which sleeps. Then it depends on the moment, for 90 %% of windows: %s.",
			strings.Join(parts, ", "))
	}
}

// passed says what a call costs that only takes the way through a patched site.
func (p *page) passed() {
	f, native := p.calls.Find("passthrough", "patch", nil), p.calls.Find("passthrough", workload.Native, nil)
	if f == nil || native == nil || p.compared[f.Key()] == nil {
		return
	}
	p.say("- A call that the kernel makes all the same, by way of a patched site: %s, %s.", plain(f), p.compared[f.Key()].Words())
	tax, base := p.calls.Find("tax", "patch", nil), p.calls.Find("tax", workload.Native, nil)
	if tax == nil || base == nil || !p.compared[tax.Key()].Significant() {
		return
	}
	filter, all := tax.Summary().Median-base.Summary().Median, f.Summary().Median-native.Summary().Median
	if all > 0 {
		p.say("  Of these %s ns more, %s are what every call pays because a filter is there, reflected or not.", results.Three(all), results.Three(min(filter, all)))
	}
}

func inProgram() []string { return []string{"vdso", "patch"} }
func bySignal() []string  { return []string{"trap", "sud"} }
func byProcess() []string { return []string{"notify", "ptrace", "ptrace-all"} }

// list is what some ways take, in words.
func (p *page) list(subject string, params map[string]string, ways []string) string {
	var parts []string
	for _, way := range ways {
		f := p.calls.Find(subject, way, params)
		if f == nil {
			continue
		}
		text := plain(f) + " (`" + way + "`"
		if c := p.compared[f.Key()]; c != nil {
			text += ": " + c.Words()
		}
		parts = append(parts, text+")")
	}
	return strings.Join(parts, ", ")
}

func plain(f *results.Figure) string {
	text, unit := results.Scaled(f.Summary().Median, f.Unit)
	return text + " " + strings.TrimSuffix(unit, "/op")
}

// mechanisms is the table of calls.
func (p *page) mechanisms() {
	p.say("## Which mechanisms, and how expensive\n")
	columns := []struct {
		title, subject string
		params         map[string]string
	}{
		{"nothing", "null", nil}, {"passed through", "passthrough", nil}, {"getrandom, 16 bytes", "getrandom", map[string]string{"bytes": "16"}},
		{"256 bytes", "getrandom", map[string]string{"bytes": "256"}}, {"4096 bytes", "getrandom", map[string]string{"bytes": "4096"}}, {"clock_gettime", "time", nil},
	}
	head, line := "|", "|---|"
	for _, c := range columns {
		head += " | " + c.title
		line += "---|"
	}
	p.say("%s |\n%s", head, line)
	for _, way := range p.callWays() {
		row := "| `" + way + "`"
		for _, c := range columns {
			row += " | "
			if f := p.calls.Find(c.subject, way, c.params); f != nil {
				row += plain(f)
				if x := p.compared[f.Key()]; x != nil {
					row += " (" + x.Short() + ")"
				}
				if strings.HasPrefix(f.Note, "served by") {
					row += ", " + f.Note
				}
			} else {
				row += "-"
			}
		}
		p.say("%s |", row)
	}
	medians := "Medians"
	if slices.ContainsFunc(p.calls.Figures, func(f results.Figure) bool { return f.IsMean() }) {
		medians += ", by `trap` and `sud` means but for getrandom"
	}
	p.say("\n" + medians + "; in brackets what that is beside the native call. *Nothing* is getppid, answered by a constant; `vdso` and `kernel-vdso` have no such")
	p.say("function and do gettimeofday(NULL, NULL). *Passed through* is getuid, made by the kernel all the same.")
	if known := overhead.Known(p.calls); known != "" {
		p.say("Here supervisors run on the processor of the program that they serve; %s.", known)
	}
	p.say("")
}

// callWays are the ways of the run of calls, mechanisms last, in the manual's order.
func (p *page) callWays() []string {
	order := slices.Concat([]string{workload.Native, "libc", "kernel-vdso", "preload", "own-generator"}, policy.Mechanisms())
	return slices.DeleteFunc(order, func(way string) bool {
		return !slices.ContainsFunc(p.calls.Figures, func(f results.Figure) bool { return f.Way == way })
	})
}

// attribution is where the time goes.
func (p *page) attribution() {
	var rows []string
	for i := range p.calls.Figures {
		f := &p.calls.Figures[i]
		if len(f.Steps) < 2 || f.Way == workload.Again {
			continue
		}
		total := f.Summary().Median
		var parts []string
		for _, s := range f.Steps {
			parts = append(parts, fmt.Sprintf("%s %s (%.0f %%)", s.Name, results.Three(s.Cost), 100*s.Cost/total))
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |", f.Way, results.Three(total), strings.Join(parts, ", ")))
	}
	if len(rows) == 0 {
		return
	}
	p.say("### Where the time of getrandom(16) goes\n\n| | ns | by measured variants and clocks |\n|---|---|---|")
	for _, r := range rows {
		p.say("%s", r)
	}
	p.say("\nThe steps of a mechanism are measured in other programs than the whole, so they need not add up to it.\n")
}

// bystanders is what reflection costs beside the calls that it serves.
func (p *page) bystanders() {
	p.say("## What else is paid\n\n| | tax on other calls | `reflect run` of a program | exec | fork | memory: the program's | what serves it |\n|---|---|---|---|---|---|---|")
	for _, way := range p.callWays() {
		if way != workload.Native && !slices.Contains(policy.Mechanisms(), way) {
			continue
		}
		row := "| `" + way + "`"
		for _, c := range []struct {
			subject string
			params  map[string]string
		}{{"tax", nil}, {"spawn", map[string]string{"what": "start"}}, {"spawn", map[string]string{"what": "exec"}}, {"spawn", map[string]string{"what": "fork"}},
			{"memory", map[string]string{"of": "program"}}, {"memory", map[string]string{"of": "supervisor"}}} {
			row += " | "
			if f := p.calls.Find(c.subject, way, c.params); f != nil {
				row += plain(f)
				if x := p.compared[f.Key()]; x != nil {
					row += " (" + x.Short() + ")"
				}
			} else {
				row += "-"
			}
		}
		p.say("%s |", row)
	}
	p.say("\nThe tax is what getgid takes, which no rule names, because a filter is there. Memory is what a process shares with nobody.\n")
}

func waysOf(run *results.Run) (ways []string) {
	for _, o := range workload.Outcomes(run) {
		for _, r := range o.Rows {
			if r.Against != nil && r.Way != workload.Again && !slices.Contains(ways, r.Way) {
				ways = append(ways, r.Way)
			}
		}
	}
	return ways
}
