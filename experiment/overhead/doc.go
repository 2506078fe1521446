// Package overhead measures what each mechanism costs, call by call, for `reflect
// bench`: beside the native call, the kernel's vDSO, the C library, a preloaded
// library and a generator in the program itself.
//
// # Mechanism
//
// A meter (package meter) runs natively, another under `reflect run` with each
// mechanism, and so on: the contestants. What is measured is a list of tasks, each
// a way to make a call on one of them. A round gives every task one window of some
// hundred microseconds, in an order that changes, and each second round goes the way
// of the first back; only one contestant does anything at a time, on one processor.
// So what the machine does from moment to moment falls on all tasks alike, and
// comparisons are made within rounds. The loop around a call is a task too, and its
// median is subtracted; [results.Figure] says how much that was.
//
// A session is a few rounds with fresh processes. Sessions go on until all figures
// are known within [Precision], or time is up. Figures are told at one
// pace of the run ([results.Pace]).
//
// One contestant runs twice, natively. What these two differ by is the noise. Those whose calls come
// by a signal have two processes that take turns (twins.go), and are told by means of sessions
// ([results.Mean]).
//
// # Threads
//
// One goroutine does everything, and sleeps while a meter works. Meters are pinned
// to one processor, and so are their supervisors; a second contestant of each mechanism that
// has one shows what it costs where the kernel puts it (placed.go), as a user's.
//
// # Limits
//
// Loops are the best case for caches and branch predictors. What a call costs in a
// program is measured with that program.
package overhead
