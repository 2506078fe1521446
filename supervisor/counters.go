package supervisor

import "time"

// Counters is what a run has counted so far, over the whole tree of processes.
type Counters struct {
	// Calls are the reflected calls, in the order of the plan; those that never
	// came are left out.
	Calls []CallCount `json:"calls"`
	// Programs is how many images were handed off: execs that succeeded and
	// got the shim.
	Programs uint64 `json:"programs"`
	// Execs is how many execve and execveat calls were seen, failed ones too.
	Execs uint64 `json:"execs"`
	// Missed are images and calls that could not be served, by reason.
	Missed []Missed `json:"missed"`
	// Sites are the system call instructions that reflected calls came from, in the
	// order in which they were met; nil unless [Cmd.FollowSites] is set.
	Sites []Site `json:"sites,omitempty"`
}

// A CallCount counts one call, as served by one implementation through one
// mechanism.
type CallCount struct {
	Call           string `json:"call"`
	Implementation string `json:"implementation"`
	Mechanism      string `json:"mechanism"`
	Count          uint64 `json:"count"`
	Errors         uint64 `json:"errors"`
	// Time is spent in the supervisor, from receipt to answer; meaningful
	// only where Timed, since a program that serves itself is not timed.
	Time  time.Duration `json:"time_ns"`
	Timed bool          `json:"timed"`
}

// A Missed counts images or calls that were left to the kernel, and says why.
type Missed struct {
	Reason  string `json:"reason"`
	Count   uint64 `json:"count"`
	Example string `json:"example,omitempty"`
}
