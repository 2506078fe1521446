package machine

//go:noescape
func cpuid(leaf uint32) (a, b, c, d uint32)
