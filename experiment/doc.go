// Package experiment measures what reflection costs, beside floors: the same
// thing done with nothing around it, in C.
//
// # How numbers are made
//
// What is compared runs in one go, turn by turn (A B A B), after a warm-up. Every
// round gives one value for each competitor, and the values of a round are
// subtracted or divided before a median is taken, so that a slow second of the
// machine falls on both sides. Intervals are those of the sign test: 95 % for the
// median, whatever the distribution. One competitor runs twice under two
// names; what these two differ by is the noise, and a difference that is not
// larger than that is called none.
//
// Inner loops are programs in C (floor/), compiled by gcc when a measurement
// begins; Go only starts them and reads what they print. Programs are launched by
// one of them too, since a start from Go costs as much as what is measured.
//
// # Threads
//
// Nothing runs in parallel. A measurement that pins does so by giving the new
// process one processor, which a supervisor's threads inherit.
//
// # Limits
//
// Linux on x86-64 with gcc and the go command. Start-up is compared with bwrap
// and strace where these are installed.
package experiment
