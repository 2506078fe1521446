package integration

import "testing"

// TestClocks: clocks that user space can't read, and those that a program asks by system
// call, are asked of the kernel from the program itself, and not by way of the supervisor.
func TestClocks(t *testing.T) {
	const asked = 13 * 150 // by either way
	for _, how := range []string{"glibc", "glibc-static", "musl-static"} {
		t.Run(how, func(t *testing.T) {
			asEach(t, func(t *testing.T, who account) {
				p := program{argv: []string{victim(t, "clocks.c", how)}, user: who}
				p.works(t, "0 odd, 300 faults")
				c, _ := p.count(t)
				c.reachedAll(t)
				c.mostly(t, "clock_gettime", asked)
				for _, call := range []string{"clock_getres", "gettimeofday", "time", "getcpu"} {
					c.mostly(t, call, 150)
				}
				if n, _ := c.of("clock_gettime", "vdso"); n < asked {
					t.Errorf("%d calls by the vDSO, at least %d are wanted", n, asked)
				}
			})
		})
	}
}
