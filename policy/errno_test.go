package policy

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestErrnoNames(t *testing.T) {
	for _, tc := range []struct {
		name string
		want unix.Errno
	}{
		{"EPERM", unix.EPERM}, {"EAGAIN", unix.EAGAIN}, {"EWOULDBLOCK", unix.EWOULDBLOCK}, {"EDEADLK", unix.EDEADLK},
		{"EDEADLOCK", unix.EDEADLOCK}, {"ENOTSUP", unix.ENOTSUP}, {"EOPNOTSUPP", unix.EOPNOTSUPP}, {"ENOSYS", unix.ENOSYS},
		{"EHWPOISON", unix.EHWPOISON},
	} {
		if e, ok := errnoByName(tc.name); !ok || e != int(tc.want) {
			t.Errorf("%s is %d, %v", tc.name, e, ok)
		}
	}
	for _, name := range errnoNames() {
		if e, ok := errnoByName(name); !ok || e < 1 || e > knownErrno {
			t.Errorf("%s is %d, %v", name, e, ok)
		}
	}
	for _, name := range []string{"", "eperm", "E", "EPERMX", "ERESTARTSYS"} {
		if e, ok := errnoByName(name); ok {
			t.Errorf("%q is %d", name, e)
		}
	}
	if _, ok := errnoByName(errnoLabel(knownErrno)); !ok || errnoLabel(knownErrno+1) != "134" || errnoLabel(0) != "0" {
		t.Error("the last known errno is not the last")
	}
}
