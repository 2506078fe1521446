// Package workload measures whole programs: natively, and under each mechanism
// as a user would run them, by `reflect run`.
//
// # Method
//
// All ways run in turn, round by round, in an order that changes with each round,
// so that a slow moment of the machine falls on all alike; comparisons take the
// differences within rounds. The native program runs twice in each round, under
// two names: what these two differ by is the noise, and a difference that is no
// larger is called none. A round that was not finished counts for nothing.
//
// Programs are started and timed by package launch. Nothing is pinned: a
// supervisor may use another processor than its program, as it may for a user.
//
// Calls are counted in a run of their own that is not timed, since counting costs.
//
// # Limits
//
// A difference of a program's start-up is part of what is measured: `reflect run`
// starts with each run, and the way "none" (a policy without rules) says how much
// of a difference that is.
package workload
