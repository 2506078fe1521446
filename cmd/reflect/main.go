// Command reflect runs an unmodified program with chosen system calls served in
// user space: by a shim that takes the place of the vDSO, and by a supervisor
// that the kernel notifies.
//
// Standard output belongs to the program that is run, or carries data. All that
// reflect has to say goes to standard error, as lines that begin with
// "reflect:". See docs/manual.md.
package main

import "os"

func main() { os.Exit(execute(os.Args[1:])) }
