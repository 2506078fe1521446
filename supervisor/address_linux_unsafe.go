package supervisor

import "unsafe"

// addressOf is where memory that the garbage collector does not move is, for offsets
// in /proc/self/mem.
func addressOf(b []byte) int64 { return int64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }
