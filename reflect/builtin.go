package reflect

import "golang.org/x/sys/unix"

// A builtin is a handler that comes with the package.
type builtin struct {
	name  string
	serve HandlerFunc
}

var builtins = [...]builtin{
	{"clock_getres", clockGetres},
	{"clock_gettime", clockGettime},
	{"getcpu", getcpu},
	{"getrandom", getrandom},
	{"gettimeofday", gettimeofday},
	{"time", timeSeconds},
}

// Builtin returns the handler of that name. It answers as the kernel does, and leaves
// to the kernel what depends on the caller: CPU-time, alarm and dynamic clocks, and
// more than 64 KiB of random bytes.
func Builtin(name string) (Handler, bool) {
	for i := range builtins {
		if builtins[i].name == name {
			return native(builtins[i].serve), true
		}
	}
	return nil, false
}

// Builtins returns the names that Builtin knows, sorted.
func Builtins() []string {
	names := make([]string, len(builtins))
	for i := range builtins {
		names[i] = builtins[i].name
	}
	return names
}

// x32Bit marks a call of the x32 ABI, whose structures are laid out otherwise
// (__X32_SYSCALL_BIT).
const x32Bit = 0x40000000

// native leaves calls of other ABIs, and of threads that we can't name, to the
// kernel.
type native HandlerFunc

func (f native) Serve(c *Call) Result {
	if c.Arch != unix.AUDIT_ARCH_X86_64 || c.Nr&x32Bit != 0 {
		return leave
	}
	return f(c)
}
