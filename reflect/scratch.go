package reflect

import "sync"

// A scratch is memory that may be handed to a Memory, which a local variable
// may not without an allocation per call.
type scratch [PageSize]byte

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func getScratch() *scratch { return scratches.Get().(*scratch) }

func (s *scratch) release() { scratches.Put(s) }
