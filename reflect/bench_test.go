package reflect

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

var handlerCalls = []struct {
	name, handler string
	args          [6]uint64
}{
	{"getrandom/16", "getrandom", [6]uint64{targetAt(0), 16}},
	{"getrandom/256", "getrandom", [6]uint64{targetAt(0), 256}},
	{"getrandom/4096", "getrandom", [6]uint64{targetAt(0), 4096}},
	{"getrandom/65536", "getrandom", [6]uint64{targetAt(0), 65536}},
	{"getrandom/0", "getrandom", [6]uint64{targetAt(0), 0}},
	{"getrandom/bad", "getrandom", [6]uint64{0, 16}},
	{"clock_gettime/realtime", "clock_gettime", [6]uint64{unix.CLOCK_REALTIME, targetAt(0)}},
	{"clock_gettime/monotonic", "clock_gettime", [6]uint64{unix.CLOCK_MONOTONIC, targetAt(0)}},
	{"clock_getres", "clock_getres", [6]uint64{unix.CLOCK_REALTIME, targetAt(0)}},
	{"gettimeofday", "gettimeofday", [6]uint64{targetAt(0), 0}},
	{"gettimeofday/zone", "gettimeofday", [6]uint64{targetAt(0), targetAt(32)}},
	{"time", "time", [6]uint64{0}},
	{"time/pointer", "time", [6]uint64{targetAt(0)}},
	{"getcpu", "getcpu", [6]uint64{targetAt(0), targetAt(8)}},
}

func BenchmarkHandlers(b *testing.B) {
	for _, hc := range handlerCalls {
		b.Run(hc.name, func(b *testing.B) {
			h, ok := Builtin(hc.handler)
			if !ok {
				b.Fatal("no such handler")
			}
			c := &Call{Arch: unix.AUDIT_ARCH_X86_64, Args: hc.args, TID: os.Getpid(), Mem: ProcessMemory(os.Getpid())}
			b.ReportAllocs()
			for b.Loop() {
				h.Serve(c)
			}
		})
	}
}

func TestHandlersDoNotAllocate(t *testing.T) {
	for _, hc := range handlerCalls {
		h, _ := Builtin(hc.handler)
		c := &Call{Arch: unix.AUDIT_ARCH_X86_64, Args: hc.args, TID: os.Getpid(), Mem: ProcessMemory(os.Getpid())}
		if r := h.Serve(c); r.Continue {
			t.Errorf("%s: left to the kernel", hc.name)
		}
		if n := testing.AllocsPerRun(200, func() { h.Serve(c) }); n != 0 {
			t.Errorf("%s: %v allocations a call", hc.name, n)
		}
	}
}

func BenchmarkStreamFill(b *testing.B) {
	s, buf := Stream{1}, make([]byte, 4096)
	b.SetBytes(int64(len(buf)))
	for i := range b.N {
		s.Fill(buf, uint64(i)*4096)
	}
}

func BenchmarkStreamKey(b *testing.B) {
	k := RootKey("1")
	for range b.N {
		k = k.Fork(1)
	}
}
