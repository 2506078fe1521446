package supervisor

import "golang.org/x/sys/unix"

// vdsoCall is the system call that a function of the x86-64 vDSO stands for.
func vdsoCall(symbol string) (nr int, ok bool) {
	switch symbol {
	case "__vdso_getrandom", "getrandom":
		return unix.SYS_GETRANDOM, true
	case "__vdso_clock_gettime", "clock_gettime":
		return unix.SYS_CLOCK_GETTIME, true
	case "__vdso_clock_getres", "clock_getres":
		return unix.SYS_CLOCK_GETRES, true
	case "__vdso_gettimeofday", "gettimeofday":
		return unix.SYS_GETTIMEOFDAY, true
	case "__vdso_time", "time":
		return unix.SYS_TIME, true
	case "__vdso_getcpu", "getcpu":
		return unix.SYS_GETCPU, true
	}
	return 0, false
}
