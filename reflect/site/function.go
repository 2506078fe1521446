package site

import "fmt"

// A Source says how a function was found.
type Source uint8

const (
	FromFrames  Source = iota + 1 // unwind tables
	FromGolang                    // Go's table of functions
	FromSymbols                   // a symbol with a size
	FromCalls                     // calls from other functions; where it ends is not known
)

func (s Source) String() string {
	switch s {
	case FromFrames:
		return "unwind tables"
	case FromGolang:
		return "Go's function table"
	case FromSymbols:
		return "symbols"
	case FromCalls:
		return "calls"
	}
	return fmt.Sprintf("source %d", s)
}

// A Range is the addresses from Start up to, and without, End.
type Range struct{ Start, End uint64 }

func (r Range) contains(addr uint64) bool { return addr >= r.Start && addr < r.End }

func (r Range) overlaps(o Range) bool { return r.Start < o.End && o.Start < r.End }

// A Function is a stretch of code that is decoded from its first byte on.
type Function struct {
	Range
	Name   string // "" if no table names it
	Source Source

	signal bool // unwinders look for its very bytes
}

// Function returns the function that an address stands in.
func (f *File) Function(addr uint64) (Function, bool) {
	s := f.segment(addr)
	if s == nil || !s.code() {
		return Function{}, false
	}
	fn, ok := f.function(addr)
	if !ok || fn.Start < s.addr || fn.End > s.end() {
		return Function{}, false
	}
	return fn, true
}

func (f *File) function(addr uint64) (Function, bool) {
	if r, name, ok := f.golang().covering(addr); ok {
		return Function{Range: r, Name: name, Source: FromGolang}, true
	}
	symbol, named := f.symbols().covering(addr)
	name := string(f.symbols().name(symbol))
	if d, ok := f.frames.covering(addr); ok {
		return Function{Range: Range{d.start, d.end}, Name: name, Source: FromFrames, signal: d.signal}, true
	}
	if named {
		return Function{Range: Range{symbol.addr, symbol.addr + symbol.size}, Name: name, Source: FromSymbols}, true
	}
	if r, ok := f.calls().covering(f, addr); ok {
		return Function{Range: r, Source: FromCalls}, true
	}
	return Function{}, false
}

// nextFunction returns the address at which the next known function behind
// an address begins.
func (f *File) nextFunction(addr uint64) (uint64, bool) {
	next, found := uint64(0), false
	closer := func(start uint64) {
		if start > addr && (!found || start < next) {
			next, found = start, true
		}
	}
	if i := f.frames.find(addr); i < f.frames.count() {
		closer(f.frames.start(i))
	}
	if s, ok := f.symbols().after(addr); ok {
		closer(s)
	}
	return next, found
}
