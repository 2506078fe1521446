package starter

import (
	"unsafe"

	"github.com/sysreflect/sysreflect/vdsoshim"
)

// Control is the control page, and Image the shim's image, as they are mapped here: both
// writable and shared.
func (s *Started) Control() []byte { return view(&s.control, vdsoshim.PageSize) }

// Image is the shim's image, likewise.
func (s *Started) Image() []byte { return view(&s.image, vdsoshim.ImageSize) }

// view is memory that the starter mapped, outside of Go's heap.
func view(at *uintptr, size int) []byte {
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(at))), size)
}
