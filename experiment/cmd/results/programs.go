package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sysreflect/sysreflect/experiment/results"
	"github.com/sysreflect/sysreflect/experiment/workload"
)

// against is the row's processor time beside the native one, which a busy machine
// disturbs less than wall time; nil where it is not known.
func against(r *workload.Row) *results.Comparison { return r.CPUAgainst }

// spread is what a way takes of processors over all programs, in words.
func (p *page) spread(way string) string {
	differ := 0
	names := map[float64]string{}
	var ratios []float64
	for _, o := range workload.Outcomes(p.all) {
		r := rowOf(&o, way)
		if r == nil || against(r) == nil {
			continue
		}
		c := against(r)
		ratios = append(ratios, c.Ratio.Median)
		names[c.Ratio.Median] = o.Name
		if c.Significant() {
			differ++
		}
	}
	if len(ratios) == 0 {
		return "not measured"
	}
	least, most := slices.Min(ratios), slices.Max(ratios)
	text := fmt.Sprintf("%s (%s) to %s (%s) times the native processor time, median %s", results.Three(least), names[least], results.Three(most), names[most],
		results.Three(results.Summarize(ratios).Median))
	if differ < len(ratios) {
		text += fmt.Sprintf("; of %d programs %d differ beyond the noise", len(ratios), differ)
	}
	return text
}

// allCalls is what it costs to send every call by a mechanism.
func (p *page) allCalls() {
	outcomes := workload.Outcomes(p.all)
	ways := waysOf(p.all)
	p.say("## All system calls through a vDSO, or similar\n")
	p.say("Under the policy `all-calls` every call of a program takes the way of a reflected one, and the kernel makes it all the same. Nothing is gained")
	p.say("by serving calls elsewhere: this is the price of the way alone, and of `reflect run` itself, which `none` shows by itself.\n")
	head, line := "| program | calls | natively", "|---|---|---|"
	for _, w := range ways {
		head += " | `" + w + "`"
		line += "---|"
	}
	p.say("%s |\n%s", head, line)
	for _, o := range outcomes {
		row := "| " + o.Name + " | " + calls(&o)
		native := rowOf(&o, workload.Native)
		if native == nil {
			continue
		}
		row += " | " + plain(native.Figures[workload.Wall])
		for _, w := range ways {
			row += " | "
			r := rowOf(&o, w)
			if r == nil || r.Against == nil {
				row += "-"
				continue
			}
			row += r.Against.Short()
			if r.CPUAgainst != nil {
				row += " (" + r.CPUAgainst.Short() + ")"
			}
		}
		p.say("%s |", row)
	}
	p.say("\nWall time, and in brackets processor time of program and supervisor together, beside the native program; `n.s.` is no difference beyond noise and chance. For redis the client's time is meant, and")
	p.say("the server starts before it. `notify`, `trap`, `sud` and the tracers also get the calls that a library makes through the vDSO; *calls* are `patch`'s,")
	p.say("which leaves these alone.\n")
	p.perCall(outcomes, ways)
	p.saying(outcomes)
}

func rowOf(o *workload.Outcome, way string) *workload.Row {
	for i := range o.Rows {
		if o.Rows[i].Way == way && o.Rows[i].Figures[workload.Wall] != nil {
			return &o.Rows[i]
		}
	}
	return nil
}

func calls(o *workload.Outcome) string {
	for _, way := range []string{"patch", "notify", "ptrace"} {
		if r := rowOf(o, way); r != nil && r.Figures[workload.Calls] != nil {
			return results.Three(r.Figures[workload.Calls].Samples[0])
		}
	}
	return "-"
}

// cost is what one reflected call of a program adds to its processor time beyond
// `none`, in nanoseconds.
func cost(o *workload.Outcome, way string) (results.Summary, bool) {
	r, none := rowOf(o, way), rowOf(o, workload.None)
	if r == nil || none == nil || r.Figures[workload.Calls] == nil || r.Figures[workload.CPU] == nil {
		return results.Summary{}, false
	}
	n := r.Figures[workload.Calls].Samples[0]
	if n == 0 {
		return results.Summary{}, false
	}
	d := results.Compare(r.Figures[workload.CPU], none.Figures[workload.CPU], 0).Difference
	by := 1e6 / n
	return results.Summary{N: d.N, Median: by * d.Median, Lo: by * d.Lo, Hi: by * d.Hi}, true
}

// perCall divides what a program took more by its calls.
func (p *page) perCall(outcomes []workload.Outcome, ways []string) {
	ways = slices.DeleteFunc(slices.Clone(ways), func(w string) bool { return w == workload.None })
	p.say("Processor time for each call, beyond `none`:\n")
	head, line := "| program", "|---|"
	for _, w := range ways {
		head += " | `" + w + "`"
		line += "---|"
	}
	p.say("%s |\n%s", head, line)
	for _, o := range outcomes {
		row, any := "| "+o.Name, false
		for _, w := range ways {
			row += " | "
			c, ok := cost(&o, w)
			if !ok {
				row += "-"
				continue
			}
			any = true
			half := (c.Hi - c.Lo) / 2 / 1000
			row += results.Digits(c.Median/1000, half) + " ± " + results.Digits(half, half) + " µs"
		}
		if any {
			p.say("%s |", row)
		}
	}
	p.say("\nFor `patch` this holds what it takes to find and patch a site, in each process anew, so a program that lives long pays less for each call: in the")
	p.say("limit, what *passed through* shows above.\n")
}

// saying says what the tables mean, as far as they show it.
func (p *page) saying(outcomes []workload.Outcome) {
	p.say("### What this says\n")
	pass, native := p.calls.Find("passthrough", "patch", nil), p.calls.Find("passthrough", workload.Native, nil)
	if pass != nil && native != nil && p.compared[pass.Key()] != nil {
		extra := pass.Summary().Median - native.Summary().Median
		if p.compared[pass.Key()].Significant() && extra > 0 && extra < native.Summary().Median {
			p.say("- **The detour by itself costs less than the call.** A call that is passed through by a patched site takes %s ns more than natively.", results.Three(extra))
			if others := p.list("passthrough", nil, slices.Concat(bySignal(), byProcess())); others != "" {
				p.say("  By a signal or another process it takes %s.", others)
			}
			if null := p.list("null", nil, []string{"patch"}); null != "" {
				p.say("  A C library that called a vDSO for everything would need no filter: what is left then is a jump there and back, at most %s.", null)
			}
		}
	}
	sort := func(way string) (least, most string, ok bool) {
		byRatio := map[float64]string{}
		for _, o := range outcomes {
			if r := rowOf(&o, way); r != nil && against(r) != nil {
				byRatio[against(r).Ratio.Median] = against(r).Short() + " (" + o.Name + ")"
			}
		}
		if len(byRatio) < 2 {
			return "", "", false
		}
		keys := slices.Sorted(maps.Keys(byRatio))
		return byRatio[keys[0]], byRatio[keys[len(keys)-1]], true
	}
	for _, w := range []struct{ way, says string }{
		{"patch", "sites are found and patched in each process anew, so short programs with many sites pay most"},
		{"notify", "every call wakes a supervisor and waits for it, so programs that do little else than calls pay most"},
		{"trap", "every call is a signal in the program itself, whose price hardly depends on the program"},
		{"ptrace-all", "every call stops twice, whether a rule names it or not"},
	} {
		if least, most, ok := sort(w.way); ok {
			p.say("- **`%s`**: processor time from %s to %s; %s.", w.way, least, most, w.says)
		}
	}
	p.say("")
}

// oneCall is a program that one call matters to.
func (p *page) oneCall() {
	outcomes := workload.Outcomes(p.program)
	if len(outcomes) == 0 {
		return
	}
	p.say("## One call, served elsewhere\n")
	p.say("The other question: what is gained where a call *is* served in user space. `%s` does little but ask for random bytes; the policy is the default one.\n", outcomes[0].Name)
	p.say("| | wall | beside native | processor time | reflected calls |\n|---|---|---|---|---|")
	for _, r := range outcomes[0].Rows {
		if r.Way == workload.Again {
			continue
		}
		beside, cpu, n := "", "-", "-"
		if r.Against != nil {
			beside = r.Against.Words()
		}
		if f := r.Figures[workload.CPU]; f != nil {
			cpu = plain(f)
		}
		if f := r.Figures[workload.Calls]; f != nil {
			n = results.Three(f.Samples[0])
		}
		p.say("| `%s` | %s | %s | %s | %s |", r.Way, plain(r.Figures[workload.Wall]), beside, cpu, n)
	}
	p.say("")
}

// limits says what the page does not.
func (p *page) limits() {
	p.say("## What this does not say\n")
	p.say("- One machine, one kernel, one run. `reflect bench compare` holds another against it.")
	p.say("- Loops are the best case for caches and branch predictors, and short programs the worst for start-up.")
	p.say("- Mechanisms differ in more than price: [mechanisms.md](mechanisms.md) says what each one changes for a program.")
	p.say("\n## How to repeat it\n\n    make results\n\nwhich runs\n")
	for _, run := range []*results.Run{p.calls, p.all, p.program} {
		p.say("    %s", strings.Join(strings.Split(results.CommandLine(run.Command), "\n"), " "))
	}
}
