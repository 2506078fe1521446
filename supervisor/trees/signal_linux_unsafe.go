package trees

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/supervisor/internal/guardian"
)

// siginfo is the kernel's siginfo_t of a queued signal (sigqueue(3)).
type siginfo struct {
	signo, errno, code, _ int32
	pid, uid              int32
	value                 uint64
	_                     [128 - 32]byte
}

const siQueue = -1 // SI_QUEUE

// requestReseed queues the guardian's signal. Real-time signals are not merged, so
// none is lost; where too many are queued the error is EAGAIN.
func requestReseed(pidfd int) error {
	info := siginfo{
		signo: int32(guardian.ReseedSignal), code: siQueue,
		pid: int32(os.Getpid()), uid: int32(os.Getuid()), value: guardian.ReseedValue,
	}
	return unix.PidfdSendSignal(pidfd, guardian.ReseedSignal, (*unix.Siginfo)(unsafe.Pointer(&info)), 0)
}
