package probe

import (
	"errors"
	"fmt"
)

// A Status is the answer to a probe.
type Status string

// The answers.
const (
	Yes     Status = "yes"
	No      Status = "no"
	Unknown Status = "unknown" // could not be tried, or the attempt told nothing
)

// A Report is what Run found. Its JSON field names are stable.
type Report struct {
	Kernel     string      `json:"kernel"`     // uname -r
	Machine    string      `json:"machine"`    // uname -m
	Process    Process     `json:"process"`    // who asked
	Mechanisms []Mechanism `json:"mechanisms"` // the answer
	Features   []Feature   `json:"features"`   // what it stands on
	Calls      []Call      `json:"calls"`      // what a profile says to calls that are needed
}

// A Feature is something that a kernel may let this process do.
type Feature struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Since  string `json:"since,omitempty"` // the first Linux that has it
	What   string `json:"what"`
	Call   string `json:"call,omitempty"`  // the call that was refused
	Errno  string `json:"errno,omitempty"` // its error
	Why    string `json:"why,omitempty"`   // what that means, for No and Unknown
	Value  string `json:"value,omitempty"` // what was found, where there is more than yes
}

// A Call is a system call whose answer to bad arguments the kernel decides.
type Call struct {
	Name      string `json:"name"`
	Expected  string `json:"expected"` // the kernel's answer
	Answer    string `json:"answer"`   // the answer here; "killed" if it was the end
	Forbidden bool   `json:"forbidden"`
}

// A Mechanism is a way to reflect calls, and how it does here.
type Mechanism struct {
	Name      string `json:"name"`
	Available bool   `json:"available"` // this version of reflect has it
	Usable    bool   `json:"usable"`    // here, as this user
	Kernel    Status `json:"kernel"`    // whether the kernel allows what it needs
	Why       string `json:"why,omitempty"`
	// NeedsPtrace: a program is traced, if only at its execs.
	NeedsPtrace bool `json:"needs_ptrace"`
	// Nests: works inside a program that is itself reflected so.
	Nests bool `json:"nests"`
	// RaceSafe: no other thread can change pointed-to memory between a look at
	// it and its use.
	RaceSafe bool `json:"race_safe"`
	// Boundary: a hostile program can't get around it.
	Boundary bool `json:"security_boundary"`
	// NullCall is what a call costs that does nothing, in nanoseconds, where that was
	// measured: package probe doesn't, who asks it may.
	NullCall float64 `json:"null_call_ns,omitempty"`
	Notes    string  `json:"notes,omitempty"`
}

// Feature returns the feature of that name.
func (r *Report) Feature(name string) (Feature, bool) {
	for _, f := range r.Features {
		if f.Name == name {
			return f, true
		}
	}
	return Feature{}, false
}

// Mechanism returns the mechanism of that name.
func (r *Report) Mechanism(name string) (Mechanism, bool) {
	for _, m := range r.Mechanisms {
		if m.Name == name {
			return m, true
		}
	}
	return Mechanism{}, false
}

// Usable reports whether reflect works here at all.
func (r *Report) Usable() bool {
	for _, m := range r.Mechanisms {
		if m.Usable {
			return true
		}
	}
	return false
}

// ErrUnsupported is wrapped by every UnsupportedError.
var ErrUnsupported = errors.New("not supported here")

// An UnsupportedError is the lack of a feature.
type UnsupportedError struct{ Feature Feature }

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s: %s", e.Feature.Name, e.Feature.Why)
}

// Unwrap returns ErrUnsupported.
func (e *UnsupportedError) Unwrap() error { return ErrUnsupported }

// Err returns an UnsupportedError unless the feature is there.
func (f Feature) Err() error {
	if f.Status == Yes {
		return nil
	}
	return &UnsupportedError{f}
}
