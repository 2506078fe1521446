package overhead

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sysreflect/sysreflect/experiment/machine"
	"github.com/sysreflect/sysreflect/experiment/results"
)

// WriteEnd writes what stands below the figures of any run: noise, notes, the machine,
// and what repeats it.
func WriteEnd(w io.Writer, run *results.Run) error {
	p := &printer{Writer: bufio.NewWriter(w), run: run, rate: 1, unit: "ns"}
	p.end()
	return p.Flush()
}

// end says what was subtracted, what the noise is, what was left out, and on what
// machine it was.
func (p *printer) end() {
	if line := p.subtracted(); line != "" {
		p.wrap("", line)
	}
	if line := p.noise(); line != "" {
		p.wrap("", line+"; n.s.: no difference beyond that and chance (Mann-Whitney, Holm)")
	}
	if line := Known(p.run); line != "" {
		p.wrap("", line)
	}
	for _, l := range p.run.LeftOut {
		what := l.Way
		if l.Subject != "" {
			what = strings.TrimSpace(l.Subject + " " + l.Way)
		}
		p.wrap("", "left out: "+what+": "+l.Why)
	}
	for _, note := range p.run.Notes {
		p.wrap("", "note: "+note)
	}
	if p.run.Interrupted {
		p.wrap("", "note: interrupted after "+time.Duration(p.run.Seconds*1e9).Round(100*time.Millisecond).String()+": this is what there is")
	}
	on, with := p.machine()
	p.wrap("", "machine: "+on)
	p.wrap("", "with: "+with)
	p.wrap("", "reproduce: "+results.CommandLine(p.run.Command))
}

func (p *printer) noise() string {
	n := &p.run.Noise
	spawn, started := n.By["spawn"]
	switch {
	case n.Value > 0 && started:
		return fmt.Sprintf("noise: two measurements of one thing differed by up to %s, of starts by %s", percent(n.Value), percent(spawn))
	case n.Value > 0:
		return "noise: two measurements of one thing differed by up to " + percent(n.Value)
	case started:
		return "noise: two measurements of one thing that starts differed by up to " + percent(spawn)
	}
	return ""
}

func percent(v float64) string {
	if v < 0.0995 {
		return strconv.FormatFloat(100*v, 'f', 1, 64) + " %"
	}
	return strconv.FormatFloat(100*v, 'f', 0, 64) + " %"
}

func (p *printer) subtracted() string {
	var parts []string
	for i := range p.run.Figures {
		f := &p.run.Figures[i]
		if f.Subject == harness {
			parts = append(parts, number(f.Summary().Median*p.rate)+" "+p.unit+" around a "+f.Param("around"))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "subtracted: the loop, " + strings.Join(parts, ", ")
}

// machine is one line of what was measured on, and one of what else belongs to it.
func (p *printer) machine() (on, with string) {
	m := &p.run.Machine
	parts := []string{m.CPU, fmt.Sprintf("%d processors", m.CPUs)}
	if m.Hypervisor != "" {
		parts = append(parts, m.Hypervisor)
	}
	on = strings.Join(append(parts, "Linux "+m.Kernel), ", ")
	parts = nil
	if m.TSCHz > 0 {
		parts = append(parts, fmt.Sprintf("TSC %.4g GHz", m.TSCHz/1e9))
	}
	if m.LibC != "" {
		parts = append(parts, m.LibC)
	}
	if names := machine.Mitigated(m); len(names) > 0 {
		slices.Sort(names)
		parts = append(parts, "mitigations "+strings.Join(names, " "))
	} else if len(m.Mitigations) > 0 {
		parts = append(parts, "no mitigations")
	}
	return on, strings.Join(append(parts, "reflect "+m.Reflect), ", ")
}

// wrap writes text in lines of at most Width columns, further ones indented.
func (p *printer) wrap(indent, text string) {
	line := indent
	empty := true
	for word := range strings.FieldsSeq(strings.ReplaceAll(text, " %", "\x00%")) {
		word = strings.ReplaceAll(word, "\x00", " ") // a number and its sign stay together
		if !empty && len([]rune(line))+1+len([]rune(word)) > Width {
			fmt.Fprintln(p, line)
			line, empty = strings.Repeat(" ", max(2, len(indent))), true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	fmt.Fprintln(p, line)
}
