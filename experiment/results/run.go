package results

import (
	"slices"
	"strings"
	"time"
)

// Schema is the version of what WriteJSON writes. It grows when the meaning of a
// field changes, not when one is added. With 2 samples are at one pace, see Figure.Pace; with 3 some
// figures are told by means, see Figure.Mean.
const Schema = 3

// A Run is one run of an experiment.
type Run struct {
	Schema      int       `json:"schema"`
	Command     []string  `json:"command"` // what repeats it
	When        time.Time `json:"when"`
	Seconds     float64   `json:"seconds"`               // it took
	Interrupted bool      `json:"interrupted,omitempty"` // it was ended early: figures are fewer, or have fewer samples
	Machine     Machine   `json:"machine"`
	Noise       Noise     `json:"noise"`
	// Begins are the indices of samples, in figures of group "calls", that sessions begin with.
	Begins  []int     `json:"sessions_begin,omitempty"`
	Notes   []string  `json:"notes,omitempty"`
	LeftOut []LeftOut `json:"left_out,omitempty"`
	Figures []Figure  `json:"figures"`
}

// LeftOut is what was not measured, and why.
type LeftOut struct {
	Subject string `json:"subject,omitempty"` // "" for all
	Way     string `json:"way"`
	Why     string `json:"why"`
}

// Machine is where a run was made. Strings are empty where nothing is known.
type Machine struct {
	Kernel      string            `json:"kernel"`  // uname -r
	Version     string            `json:"version"` // uname -v
	Arch        string            `json:"arch"`
	CPU         string            `json:"cpu"` // model
	CPUs        int               `json:"cpus"`
	MHz         float64           `json:"mhz,omitempty"`       // as the kernel says, at the start
	TSCHz       float64           `json:"tsc_hz,omitempty"`    // measured against CLOCK_MONOTONIC_RAW
	TSCError    float64           `json:"tsc_error,omitempty"` // relative
	Governor    string            `json:"governor"`            // of the processor that measured
	Boost       string            `json:"boost"`               // "on", "off"
	SMT         string            `json:"smt"`
	Hypervisor  string            `json:"hypervisor"`
	Container   string            `json:"container,omitempty"`
	Mitigations map[string]string `json:"mitigations"` // by vulnerability
	ClockSource string            `json:"clock_source"`
	LibC        string            `json:"libc"`
	Go          string            `json:"go"`
	Reflect     string            `json:"reflect"` // version
	PolicyText  string            `json:"policy_text,omitempty"`
	PolicyHash  string            `json:"policy_hash,omitempty"` // Fingerprint of PolicyText
	Load        [3]float64        `json:"load"`                  // at the start
	Busy        float64           `json:"busy"`                  // share of all processors that others used before the run
	Steal       float64           `json:"steal"`                 // share of time that the hypervisor took during the run
	Neighbours  []string          `json:"neighbours,omitempty"`  // programs that used processors during the run
	Measured    int               `json:"measured_on"`           // processor that probes were pinned to, -1 for none
	Pinned      string            `json:"pinned,omitempty"`      // what was pinned, in words
	User        string            `json:"user"`                  // "root" or "unprivileged"
}

// Noise is how far two measurements of one thing lay apart on this machine.
type Noise struct {
	How   string  `json:"how"`
	Value float64 `json:"value"` // relative: 0.01 is one percent
	// Pace is how well the median of the run's own pace is known, relative: what figures
	// that are told at it know no better of other hours.
	Pace float64 `json:"pace,omitempty"`
	// Shared is the share of windows of calls that had not their core for themselves (SMT),
	// however often they were made again.
	Shared float64 `json:"shared,omitempty"`
	// By has the noise of subjects that are measured otherwise than by inner
	// loops, and so have their own.
	By map[string]float64 `json:"by,omitempty"`
}

// OfFigure returns the noise that applies to a figure: of what it says of its
// subject (the parameter "of"), where that is known.
func (n *Noise) OfFigure(f *Figure) float64 {
	if v, ok := n.By[f.Subject+" "+f.Params["of"]]; ok {
		return v
	}
	return n.Of(f.Subject)
}

// Of returns the noise that applies to a subject.
func (n *Noise) Of(subject string) float64 {
	if v, ok := n.By[subject]; ok {
		return v
	}
	return n.Value
}

// A Figure is one thing measured in one way.
type Figure struct {
	// Subject is what was done: "null", "passthrough", "getrandom", "time", "spawn",
	// "tax", "memory", "workload:NAME" …
	Subject string `json:"subject"`
	// Way is by what: "native", "kernel-vdso", "libc", "preload", "own-generator",
	// a mechanism, "harness" …
	Way string `json:"way"`
	// Params tell figures of one subject apart: bytes, threads, what was started.
	Params  map[string]string `json:"params,omitempty"`
	Unit    string            `json:"unit"` // "ns/op", "ms", "B" …
	Samples []float64         `json:"samples"`
	// Baseline is the Way that it is to be compared with, "" if none.
	Baseline string `json:"baseline,omitempty"`
	// Group: figures of one group were measured in turn, round by round, from the first
	// one on. In files of earlier versions some have fewer rounds than others.
	Group string `json:"group,omitempty"`
	// Sessions are the figure's medians by session, where it was measured in more than
	// one, each with fresh processes.
	Sessions []float64 `json:"sessions,omitempty"`
	// Mean says that the figure goes one of two ways, so that a median would be one of them,
	// now this, now that: it is told by the mean ([Mean]) of its sessions, and what these have
	// is a mean, too, of the samples but for those that are Shared.
	Mean bool `json:"mean,omitempty"`
	// Shared are indices of samples whose processor core others used (SMT), though some of the
	// same session had it alone.
	Shared []int `json:"shared,omitempty"`
	// Subtracted was taken off each sample: what the loop around the call takes.
	Subtracted float64 `json:"subtracted,omitempty"`
	// Pace is what each sample, with what was subtracted, was divided by: see [Pace]. Multiplied
	// with it, they are what clocks said. Follows is how much the figure follows the machine's
	// pace: by 2 where it takes 2 % longer when all else takes 1 % longer. Doubt is the relative
	// standard error that this leaves the figure's median with.
	Pace      []float64  `json:"pace,omitempty"`
	Follows   float64    `json:"follows,omitempty"`
	Doubt     float64    `json:"doubt,omitempty"`
	Calls     int64      `json:"calls,omitempty"` // made for each sample
	Histogram *Histogram `json:"histogram,omitempty"`
	Steps     []Step     `json:"steps,omitempty"`
	Note      string     `json:"note,omitempty"` // what a reader must know
}

// A Step is a part of what a call takes: the difference of two measured variants, or
// what clocks say.
type Step struct {
	Name string  `json:"name"`
	What string  `json:"what"` // the two variants, or whose clock
	Cost float64 `json:"cost"` // median of differences, in the figure's unit
	Lo   float64 `json:"lo"`   // 95 % confidence
	Hi   float64 `json:"hi"`
}

// Measured returns what clocks said, whatever the machine's pace was, less what was
// subtracted.
func (f *Figure) Measured() []float64 {
	if len(f.Pace) != len(f.Samples) {
		return f.Samples
	}
	out := make([]float64, len(f.Samples))
	for i, v := range f.Samples {
		out[i] = (v+f.Subtracted)*f.Pace[i] - f.Subtracted
	}
	return out
}

// Param returns one of a figure's parameters.
func (f *Figure) Param(name string) string { return f.Params[name] }

// Key names a figure among those of a run.
func (f *Figure) Key() string { return f.key(f.Way) }

func (f *Figure) key(way string) string {
	parts := []string{f.Subject, way}
	for _, k := range f.paramNames() {
		parts = append(parts, k+"="+f.Params[k])
	}
	return strings.Join(parts, "/")
}

// paramNames in an order that does not depend on the map's.
func (f *Figure) paramNames() []string {
	names := make([]string, 0, len(f.Params))
	for k := range f.Params {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}

// Find returns the figure of a subject, way and parameters, or nil.
func (r *Run) Find(subject, way string, params map[string]string) *Figure {
	wanted := Figure{Subject: subject, Way: way, Params: params}
	return r.find(wanted.Key())
}

func (r *Run) find(key string) *Figure {
	for i := range r.Figures {
		if r.Figures[i].Key() == key {
			return &r.Figures[i]
		}
	}
	return nil
}

// BaselineOf returns the figure that f is to be compared with, or nil.
func (r *Run) BaselineOf(f *Figure) *Figure {
	if f.Baseline == "" {
		return nil
	}
	return r.find(f.key(f.Baseline))
}
