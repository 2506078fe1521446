package reflect

import "golang.org/x/sys/unix"

// A Fake is a Memory for tests of handlers: pages at chosen addresses, each
// readable or writable too, and nothing between them. Build it before it is
// used from several threads; then only the bytes of one page at a time are
// anybody's to order.
type Fake struct {
	pages map[uint64]*fakePage
	// Err, if set, is what every access returns, as when a process has gone.
	Err error
}

type fakePage struct {
	data     [PageSize]byte
	writable bool
}

// Map makes the pages that hold n bytes from addr readable, and writable or not.
// It keeps what they hold.
func (f *Fake) Map(addr uint64, n int, writable bool) {
	if f.pages == nil {
		f.pages = make(map[uint64]*fakePage)
	}
	for a := addr &^ (PageSize - 1); n > 0 && a-addr&^(PageSize-1) < uint64(n)+addr%PageSize; a += PageSize {
		if p := f.pages[a]; p != nil {
			p.writable = writable
		} else {
			f.pages[a] = &fakePage{writable: writable}
		}
	}
}

// Unmap takes the page of addr away.
func (f *Fake) Unmap(addr uint64) { delete(f.pages, addr&^(PageSize-1)) }

// Read implements Memory.
func (f *Fake) Read(addr uint64, b []byte) (int, error) {
	return f.walk(addr, b, false)
}

// Write implements Memory.
func (f *Fake) Write(addr uint64, b []byte) (int, error) {
	return f.walk(addr, b, true)
}

func (f *Fake) walk(addr uint64, b []byte, write bool) (int, error) {
	if f.Err != nil {
		return 0, f.Err
	}
	done := 0
	for done < len(b) {
		at := addr + uint64(done)
		p := f.pages[at&^(PageSize-1)]
		if p == nil || write && !p.writable || at < addr {
			return done, unix.EFAULT
		}
		if write {
			done += copy(p.data[at%PageSize:], b[done:])
		} else {
			done += copy(b[done:], p.data[at%PageSize:])
		}
	}
	return done, nil
}
