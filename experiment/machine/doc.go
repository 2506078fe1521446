// Package machine says what an experiment was made on, and what disturbed it:
// kernel, processor, frequency scaling, virtualisation, mitigations, time that the
// hypervisor took, and programs that ran beside.
//
// Everything is read from /proc and /sys without privilege; what can't be read is
// empty. Nothing is changed.
package machine
