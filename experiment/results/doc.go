// Package results is what experiments found out: the data, the statistics on it,
// and the files that it is kept in.
//
// # Data
//
// A [Run] holds the machine it was made on and [Figure]s. A figure is one thing
// measured one way, with every sample. Figures that were measured in turn share a
// Group: their samples with one index belong to one round, so that a slow moment
// of the machine falls on all of them, and a comparison takes the differences
// within rounds.
//
// # Statistics
//
// Medians, and intervals that hold the median with 95 % confidence whatever the
// distribution is; two figures are compared by the Mann-Whitney U-test
// (golang.org/x/perf/benchmath), as benchstat does. The p-values of all
// comparisons of a run are corrected for their number (Holm). A difference counts
// if it is significant then, and larger than what the machine made of two
// measurements of the same thing.
//
// # Files
//
// JSON, with a figure on each line, and Go benchmark format, which benchstat reads.
//
// # Limits
//
// Reading accepts what this version writes and older schemas, and refuses newer
// ones. Nothing here is done when the package is initialised: it is linked into a
// program whose start is waited for.
package results
