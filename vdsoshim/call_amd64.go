package vdsoshim

import "unsafe"

// callC calls a function with the System V calling convention. It must get by
// with a kilobyte of stack.
func callC(fn, a, b, c uint64, d unsafe.Pointer, e uint64) int64
