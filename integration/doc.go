// Package integration holds the tests of the whole thing against real programs.
//
// Each test runs a program natively and again under `reflect run`, and compares
// what can be seen of it: standard output, standard error, the wait status
// (the signal that it died of included) and the files that it left behind. Every
// difference is a failure.
//
// Most programs are victims: small C, Go and Rust programs and scripts in
// victims/, which print what they find and leave out what differs from run to
// run (process ids, addresses). The others are what people run: interpreters,
// compilers, servers, debuggers.
//
// The programs of behaviour/ are built of small functions, each of which is run by
// itself in every mechanism: TestBehaviour prints a table of them.
//
// Tests that a privileged user is needed for are skipped for others; most of the
// rest run as root and as an unprivileged user (uid 65534) when the tests are
// run by root. A program that a test needs and that could be installed here is a
// failure; one that can't be installed is a skip.
package integration
