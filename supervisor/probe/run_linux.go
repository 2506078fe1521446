package probe

import (
	"context"
	"runtime"

	"golang.org/x/sys/unix"
)

// Run tries everything. It takes some 50 ms; when ctx ends, what has not been
// tried is Unknown.
func Run(ctx context.Context) Report {
	// Filters, capabilities and credentials are a thread's: the children must
	// be those of the thread that is described.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	var r Report
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		r.Kernel, r.Machine = unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:])
	}
	r.Process = describeProcess()
	k := newNursery(ctx, r.Process.Seccomp != 0)
	defer k.close()
	r.Process.LSM = securityModules(k)
	r.Calls = checkCalls(k, r.Kernel)
	r.Features = tryFeatures(k, &r)
	r.Mechanisms = judgeMechanisms(&r)
	return r
}
