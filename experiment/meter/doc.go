// Package meter is the program that does the inner loops of experiments, and the
// words in which it is told what to do.
//
// # Mechanism
//
// The meter is a freestanding ELF built from C and assembly in src/, committed
// like the shim's image, so that nobody needs a C compiler to measure. It reads
// commands from its standard input: make so many calls this way, and say how many
// cycles of the time stamp counter that took. One meter runs natively and one
// under each mechanism, and whoever measures has them take turns, window by
// window. Nothing is started, mapped or printed within a window.
//
// A second ELF is the same for the C library's functions: it names a dynamic
// loader and a libc.so.6, and takes what the machine has.
//
// # Threads
//
// A Meter is for one goroutine at a time.
//
// # Limits
//
// x86-64, and a time stamp counter that runs at one speed. meter-libc.elf needs
// glibc's loader at its usual place.
package meter
