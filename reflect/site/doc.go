// Package site decides how a `syscall` instruction of an unmodified program can
// be replaced by a jump to a stub, and makes the bytes: of the jump and of the
// stub. It looks at files only: no process is in sight.
//
// # What may be replaced
//
// The two bytes of the `syscall` instruction, the site, never change. What is
// replaced is one whole instruction of the straight-line code before it, the
// run, mostly the one directly before, by one jump. So a thread stands either
// before the jump or behind it, whenever it is written. Threads that are in the
// call, that the kernel sends back to restart it (rip-2), that jump to the site,
// or that stand in the run behind the replaced instruction find the code as it
// was and make a real system call, which is notified.
//
// A stub executes what was displaced (the replaced instruction and those of the
// run behind it), puts the return address into rcx as the instruction would,
// and jumps to an entry; see [Stub]. It uses no stack, and changes nothing that
// the instruction would not.
//
// # Shapes
//
//	bytes  jump                  leads to
//	>= 5   e9 rel32              2 GiB around
//	4      e9 xx xx xx|0f        16 MiB, 240 MiB ahead
//	3      e9 xx xx|0f 05        64 KiB, 81 MiB ahead
//	2      e9 xx|0f 05 yy        256 bytes, where the next instruction's first byte says
//	>= 7   ff 24 25 abs32        through any 8 bytes in the low 2 GiB
//	4 to 6 ff 24 25 xx|0f 05 yy  through 8 bytes in a fixed part of them
//	>= 2   eb rel8               to padding nearby, which holds one of the first two
//
// Right of the bar stands what is there already: the jump's operand ends in the
// `syscall` instruction, or in the rest of an instruction that crosses a word.
// [Option] is one of these for one instruction of the run. A jump in place of a
// longer instruction is filled up with prefixes that it ignores.
//
// A write that lies within one aligned 8 bytes is fetched by other processors
// whole or not at all if it is made by one store, that of [Write.Word]; only
// such options are Online. AMD's manual promises it (volume 2, cross-modifying
// code); Intel's promises nothing without stopping the others, though its
// processors are patched so too. Through /proc/PID/mem the kernel copies an
// aligned word by one store, but five bytes may come as two. Nobody else must
// write into the same word meanwhile.
//
// # How sites are read
//
// The function is found by unwind tables, Go's function table, symbols, or calls
// ([Source]) and decoded forward from its first byte, all of it, so that all of
// its branches are known. Bytes are never matched backwards. If the function
// does not decode end to end, with every branch to an instruction, what control
// flow reaches from the start is decoded instead, and a site that it does not
// come by is refused.
//
// Every refusal has a [Reason]. Calls that return in a way of their own are
// never patched ([Never]), nor the windows in which C libraries look for
// cancelled threads, with symbols or without, nor Go's raw vfork, nor what
// unwinders take for the end of a signal handler.
//
// # Limits
//
//   - What the process maps may differ from the file, and breakpoints do: who
//     patches compares [Patch].Keep first, and asks the process's own mapping
//     whether it is writable.
//   - A function that changes itself, and one entered in the middle of an
//     instruction from outside, are not recognised.
//   - A number that is not [Option].Folded is only probable: the stub's entry
//     looks at eax, and leads calls that are [Never] patched back to the site.
//   - In a stub the program counter is outside the file. [Stub].Steps says where
//     the thread is by the program's own account, for unwind tables and signal
//     frames; that is for whoever installs the stub to use.
//   - Padding before a function is taken only between functions that are known.
//     Tools that patch programs by padding before functions (libpulp) would
//     meet ours there; they find other bytes than they expect.
//   - [Write.Word] has the file's bytes around the write: two sites in one word
//     need the word as the first patch left it.
//
// Plans and files are immutable and safe for concurrent use. x86-64 only.
package site
