package vdsoshim

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/sysreflect/sysreflect/internal/elf"
)

//go:embed image.elf
var image string

var ownImage = sync.OnceValues(func() (*Image, error) { return Parse(bytesOf(image)) })

// Own returns the image as it was built, before it is completed, parsed and as
// bytes.
func Own() (*Image, []byte, error) {
	m, err := ownImage()
	return m, []byte(image), err
}

// A Binding says what a vDSO function of the image is.
type Binding uint8

const (
	// Forward jumps to the kernel's own function.
	Forward Binding = iota
	// Shim is the image's own function. For calls about time and processors that is a
	// forwarder as well, but for clocks that user space can't read: these are asked of the
	// kernel by the gate.
	Shim
	// Stub makes the real system call, which the filter sees.
	Stub
)

// Template returns the image as it was built, before it is completed. It must not be
// changed.
func Template() []byte { return bytesOf(image) }

// Options say how to complete the image.
type Options struct {
	Kernel *Image // the running kernel's vDSO
	// Data has the handoff move the kernel's vDSO into the region, with the mappings in front of it,
	// of so many bytes each ([KernelData]); nil leaves it where it is. Nobody may know yet where
	// that was.
	Data []uint64
	// Bind is asked for each call that the image knows (see CallOf), by the
	// call's name: "getrandom". Symbols that it doesn't know always forward.
	// A nil Bind forwards everything.
	Bind func(call string) Binding
	// Count makes the functions of known calls count themselves.
	Count bool
	// Blocks is the generator's block function, by its offset in the image
	// ([ChachaScalarOff]); 0 means no generator: then getrandom is the kernel's own
	// vDSO function or, where there is none, the system call.
	Blocks uint32
	// NoDroppable keeps the generator's secrets in memory that is only wiped at a
	// fork (MADV_WIPEONFORK), as on kernels without MAP_DROPPABLE (< 6.11).
	NoDroppable bool
	// Answers are the calls, by number, that patched sites lead here for; with
	// any, the handoff maps memory for stubs.
	Answers map[int]Answer
	// Sigsys, where it is not nil, has the handoff install a handler of SIGSYS.
	Sigsys *Sigsys
	// Into is where the image is completed, ImageSize bytes that hold it as [Template]
	// gives it; nil means memory of its own.
	Into []byte
}

// A Built is an image that fits the running kernel.
type Built struct {
	Bytes []byte // ImageSize bytes, for offset 0 of the region: Options.Into, if given
	// Counters names what each counter of a row counts, by the symbol
	// ("__vdso_getrandom").
	Counters []string
	// Counting means that functions and sites count: a site then needs a record.
	Counting bool
	entries  map[int]uint64 // see Entry; 0 means that it passes through
	forgets  []int
}

// completion is the work of one Complete.
type completion struct {
	o        Options
	image    []byte
	tables   tables
	text     elf.SectionIndex
	link     [linkSlots]uint32
	forwards map[uint32]int // kernel offset to forwarder
	counted  map[string]int // call to counter
	counters []string
	copied   []byte
	abi      uint16 // version index of LINUX_2.6
	entries  map[int]uint64
}

// Complete returns the image with everything in it that depends on the running
// kernel and on the policy: every symbol that the kernel's vDSO exports, with
// its name, version, binding and type, leads to the shim's function, a stub or
// a forwarder. [Generation] is added to them.
func Complete(o Options) (*Built, error) {
	if o.Kernel == nil {
		return nil, ErrNoVDSO
	}
	if o.Into == nil {
		o.Into = []byte(image)
	}
	if len(o.Into) != len(image) {
		return nil, fmt.Errorf("an image has %d bytes, and not %d", len(image), len(o.Into))
	}
	c := &completion{o: o, image: o.Into, forwards: map[uint32]int{}, counted: map[string]int{}}
	c.text = sectionOf(c.image, forward.off)
	if err := c.adoptNames(); err != nil {
		return nil, err
	}
	have := map[string]bool{}
	for _, s := range o.Kernel.Symbols() {
		if s.Name == Generation {
			continue // we run under reflect ourselves: another run's
		}
		have[s.Name] = true
		if err := c.add(s); err != nil {
			return nil, fmt.Errorf("symbol %s of the kernel's vDSO: %w", s.Name, err)
		}
	}
	// A kernel without a getrandom of its own: the shim's stands on its own.
	if !have[prefix+"getrandom"] && c.bind("getrandom") == Shim {
		for _, s := range []Symbol{
			{Name: prefix + "getrandom", Bind: elf.STB_GLOBAL, Type: elf.STT_FUNC, versym: c.abi},
			{Name: "getrandom", Bind: elf.STB_WEAK, Type: elf.STT_FUNC, versym: c.abi},
		} {
			if err := c.add(s); err != nil {
				return nil, err
			}
		}
	}
	c.tables.symbols = append(c.tables.symbols, Symbol{
		Name: Generation, Bind: elf.STB_GLOBAL, Type: elf.STT_OBJECT, Value: ControlOff, Size: 8, versym: c.abi,
		// Loaders only ask whether there is a section. The page has none, being
		// behind the image; the nearest thing is read-only data.
		Section: sectionOf(c.image, copyRoom.off),
	})
	if err := errors.Join(
		c.tables.write(c.image),
		fill(copyRoom, c.image, c.copied),
		setNotes(c.image, o.Kernel),
		c.writePlan(),
		c.writeAnswers(),
		c.writeTraps(),
	); err != nil {
		return nil, err
	}
	c.moveKernel()
	c.chooseCPUNumber()
	return &Built{Bytes: c.image, Counters: c.counters, Counting: c.o.Count, entries: c.entries, forgets: c.o.forgetting()}, nil
}

// A Word is 32 bits of an image, and where they stand in it.
type Word struct{ At, Value uint32 }

// Words returns what differs between an image as it was built ([Template]) and one that is
// completed, for the policy's sake and not for the kernel's or the processor's.
func Words(o Options) ([]Word, error) {
	c := &completion{o: o, image: []byte(image)}
	if err := errors.Join(c.writeAnswers(), c.writeTraps()); err != nil {
		return nil, err
	}
	var out []Word
	for at := 0; at < len(image); at += 4 {
		if v := le.Uint32(c.image[at:]); v != le.Uint32(bytesOf(image[at:])) {
			out = append(out, Word{uint32(at), v})
		}
	}
	return out, nil
}

// adoptNames takes the kernel's name and version definitions, with their indices, so
// that its symbols keep theirs. What it lacks is taken from our image.
func (c *completion) adoptNames() error {
	c.tables.soname, c.tables.versions = c.o.Kernel.soname, slices.Clone(c.o.Kernel.versions)
	if c.tables.soname == "" || len(c.tables.versions) == 0 {
		own, err := ownImage()
		if err != nil {
			return err
		}
		if c.tables.soname == "" {
			c.tables.soname = own.soname
		}
		if len(c.tables.versions) == 0 {
			c.tables.versions = slices.Clone(own.versions)
		}
	}
	free := uint16(2) // 0 and 1 mean local and global
	for _, v := range c.tables.versions {
		if v.name == abiVersion && v.flags&verFlagBase == 0 {
			c.abi = v.index
			return nil
		}
		free = max(free, v.index+1)
	}
	c.abi = free
	c.tables.versions = append(c.tables.versions, version{name: abiVersion, index: free})
	return nil
}

func (c *completion) bind(call string) Binding {
	if c.o.Bind == nil {
		return Forward
	}
	return c.o.Bind(call)
}

// add exports a symbol of the kernel's.
func (c *completion) add(s Symbol) error {
	if len(c.o.Kernel.versions) == 0 {
		s.versym = 1 // global, without a version
		if _, _, ok := CallOf(s.Name); ok {
			s.versym = c.abi
		}
	}
	switch {
	case s.Section == elf.SHN_ABS: // the versions' own names
	case s.Type == elf.STT_OBJECT:
		if err := c.copy(&s); err != nil {
			return err
		}
	case s.Type == elf.STT_TLS:
		return errors.New("thread-local data can't be forwarded")
	default:
		to, err := c.target(s)
		if err != nil {
			return err
		}
		s.Section, s.Value, s.Size = c.text, to.off, to.size
	}
	c.tables.symbols = append(c.tables.symbols, s)
	return nil
}

// target finds the code that a function's symbol stands for.
func (c *completion) target(s Symbol) (function, error) {
	kernel := uint32(0)
	if s.Section != elf.SHN_UNDEF {
		off := s.Value - c.o.Kernel.bias
		if off >= c.o.Kernel.Size() {
			return function{}, malformed("its address %#x is outside the image", s.Value)
		}
		kernel = uint32(off)
	}
	name, _, known := CallOf(s.Name)
	if !known || s.Type != elf.STT_FUNC {
		return c.forwarder(kernel)
	}
	call := findCall(name)
	var own *function
	switch c.bind(name) {
	case Shim:
		own = call.shim
		if call.link != 0 {
			c.link[call.link] = kernel
		}
	case Stub:
		own = &call.stub
	}
	if c.o.Count {
		i, ok := c.counted[name]
		if !ok {
			if i = len(c.counters); i == countedSlots {
				return function{}, ErrRoom
			}
			c.counted[name] = i
			c.counters = append(c.counters, prefix+name)
			c.link[linkCounted+i] = kernel
			if own != nil {
				c.link[linkCounted+i] = planOurs | uint32(own.off)
			}
		}
		const size = 32
		return function{counted.off + uint64(size*i), size}, nil
	}
	if own != nil {
		return *own, nil
	}
	return c.forwarder(kernel)
}

// forwarder returns the code that jumps to an offset of the kernel's image.
func (c *completion) forwarder(kernel uint32) (function, error) {
	i, ok := c.forwards[kernel]
	if !ok {
		if i = len(c.forwards); i == forwardSlots {
			return function{}, ErrRoom
		}
		c.forwards[kernel] = i
		c.link[i] = kernel
	}
	const size = 8
	return function{forward.off + uint64(size*i), size}, nil
}

// copy makes a symbol that is data one of ours: where the kernel mapped its
// own is different in every program.
func (c *completion) copy(s *Symbol) error {
	b, ok := c.o.Kernel.at(s.Value)
	if !ok || uint64(len(b)) < s.Size {
		return malformed("its address %#x is outside the image", s.Value)
	}
	c.copied = append(c.copied, make([]byte, -len(c.copied)&15)...)
	at := copyRoom.off + uint64(len(c.copied))
	c.copied = append(c.copied, b[:s.Size]...)
	s.Value, s.Section = at, sectionOf(c.image, copyRoom.off)
	return nil
}

// writePlan writes what the image's code reads: struct plan, shim.h.
func (c *completion) writePlan() error {
	p := ownParams
	if s, ok := c.o.Kernel.Lookup(prefix+"getrandom", abiVersion); ok && s.Type == elf.STT_FUNC {
		if kernel, ok := kernelParams(); ok {
			p = func() *params { return kernel }
			c.link[linkGetrandom] = uint32(s.Value - c.o.Kernel.bias)
		}
	}
	q := p()
	plan := c.image[planOff:]
	for i, w := range []uint32{q.Size, q.Prot, q.Flags, uint32(c.o.Kernel.Size())} {
		le.PutUint32(plan[4*i:], w)
	}
	le.PutUint32(plan[planBlocks:], c.o.Blocks)
	if c.o.NoDroppable {
		le.PutUint32(plan[planFallback:], 1)
	}
	for i, w := range c.link {
		le.PutUint32(plan[planLink+4*i:], w)
	}
	return nil
}

// chooseCPUNumber makes the image read the processor's number with rdpid, where
// there is that instruction: it takes a thirtieth of lsl's time.
func (c *completion) chooseCPUNumber() {
	if !probed().rdpid {
		return
	}
	number := c.image[rdpid.off : rdpid.off+rdpid.size]
	copy(c.image[cpuVdsoOff:], number)
	copy(c.image[cpuCallOff:], number)
	copy(c.image[cpuDispatchOff:], []byte{0xf3, 0x0f, 0xc7, 0xf9, 0x0f, 0x1f, 0x40, 0x00}) // rdpid %rcx; nopl 0(%rax)
	for i := range uint64(countedSlots) {
		copy(c.image[counted.off+32*i:], number)
	}
}

// StateSize is the size of the state that getrandom's callers must hand in, as its
// query says.
func (b *Built) StateSize() int { return int(le.Uint32(b.Bytes[planOff:])) }
