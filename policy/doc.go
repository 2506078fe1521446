// Package policy says which system calls are taken from the kernel, how, and
// what serves them: policy files (or a Builder) in, a checked Plan out.
//
// A source is a YAML file, the name of an embedded preset, or Go code. Parse
// reads one source strictly, Merge lays sources over each other rule by rule
// and yields a Plan, and Load does both. All checking happens here: a Plan
// holds no rule that the filter, the shim or the supervisor can't carry out,
// so the packages below this one have no policy errors of their own. What the
// kernel, the handoff or the vDSO forces on a policy (calls that can't be
// answered, conditions that only a filter sees) is written in limits.go, once.
//
// The format is described in docs/policy.md.
//
// A Plan is immutable and may be used by any number of goroutines. Tables are
// constants or static data and are searched, not indexed by maps, so that
// importing this package costs nothing at start-up; the default plan is static
// data too, since every run begins with it.
//
// Limits: x86-64 only. A policy names numbers and register values, never what
// a pointer points to: that memory can change after the check.
package policy

//go:generate go run gen_calls.go
//go:generate go run gen_constants.go
