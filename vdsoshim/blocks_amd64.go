package vdsoshim

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// A Block is a way to compute ChaCha20 blocks, a function of the image
// (shim/chacha.h).
type Block uint8

// The names of block functions, the fastest first.
const (
	// AVX512 computes 32 blocks at a time where the program left the upper parts
	// of its vector registers clear, and 16 otherwise. It needs AVX-512 F and VL.
	AVX512 Block = iota
	// AVX2 computes 8 blocks at a time.
	AVX2
	// Scalar computes one block at a time, with general registers only.
	Scalar
	blocksEnd
)

// BlockUnit is what a block function writes at least: lengths are multiples of it.
const BlockUnit = 1024

// ErrUnusable is what the errors of [Block.Usable] wrap.
var ErrUnusable = errors.New("unusable on this machine")

// Blocks returns all block functions, the fastest first.
func Blocks() []Block { return []Block{AVX512, AVX2, Scalar} }

// String returns the name that [ParseBlock] takes.
func (b Block) String() string {
	switch b {
	case AVX512:
		return "avx512"
	case AVX2:
		return "avx2"
	case Scalar:
		return "scalar"
	}
	return fmt.Sprintf("Block(%d)", uint8(b))
}

// ParseBlock returns the block function of that name.
func ParseBlock(name string) (Block, error) {
	for _, b := range Blocks() {
		if name == b.String() {
			return b, nil
		}
	}
	return 0, fmt.Errorf("no block function is called %q; there are %v", name, Blocks())
}

// Usable returns nil if the processor has the instructions and the kernel keeps
// the registers that the function uses, or an error that says what is missing
// and wraps [ErrUnusable].
func (b Block) Usable() error { return b.usable(probed()) }

// Best returns the block function to be used here: the fastest usable one, but
// AVX2 where 512-bit registers slow down the rest of the program.
func Best() Block { return best(probed()) }

// Off returns the offset in the image of the function's entry for this machine,
// for [Options].Blocks.
func (b Block) Off() uint32 { return b.off(probed()) }

func (b Block) off(p processor) uint32 {
	switch {
	case b == AVX512:
		return ChachaAvx512Off
	case b == AVX2 && p.zmm():
		return ChachaAvx2ZmmOff
	case b == AVX2:
		return ChachaAvx2Off
	}
	return ChachaScalarOff
}

func (b Block) usable(p processor) error {
	var features, state uint32
	var names string
	switch b {
	case AVX512:
		features, state, names = ebxAVX512F|ebxAVX512VL, stateAVX512, "AVX-512 F and VL"
	case AVX2:
		features, state, names = ebxAVX2, stateAVX, "AVX2"
	case Scalar:
		return nil
	default:
		return fmt.Errorf("%v: %w", b, ErrUnusable)
	}
	if !p.avx || p.ebx7&features != features {
		return fmt.Errorf("%v: %w: the processor has no %s", b, ErrUnusable, names)
	}
	if p.xcr0&state != state {
		return fmt.Errorf("%v: %w: the kernel does not enable the registers (XCR0 is %#x, needs %#x)", b, ErrUnusable, p.xcr0, state)
	}
	return nil
}

func best(p processor) Block {
	for _, b := range Blocks() {
		if b.usable(p) == nil && (b != AVX512 || !p.slowZMM()) {
			return b
		}
	}
	return Scalar
}

// A processor is what cpuid and xgetbv say; see the Intel SDM, volume 1, 13.2
// and 15.2, for what has to be asked.
type processor struct {
	intel         bool
	family, model uint32
	avx           bool   // AVX, and the kernel lets xgetbv run (OSXSAVE)
	xcr0          uint32 // register state that the kernel enables
	ebx7          uint32 // CPUID.7.0:EBX
	rdpid         bool
}

const (
	ecxOSXSAVE  = 1 << 27
	ecxAVX      = 1 << 28
	ecx7RDPID   = 1 << 22
	ebxAVX2     = 1 << 5
	ebxAVX512F  = 1 << 16
	ebxAVX512VL = 1 << 31

	stateAVX    = 1<<1 | 1<<2                   // xmm, and the rest of ymm0 to ymm15
	stateAVX512 = stateAVX | 1<<5 | 1<<6 | 1<<7 // masks, the rest of zmm0 to zmm15, zmm16 to zmm31
)

// zmm reports whether programs may have more than 256 bits in zmm0 to zmm15.
func (p processor) zmm() bool {
	return p.avx && p.ebx7&ebxAVX512F != 0 && p.xcr0&stateAVX512 == stateAVX512
}

// SlowZMM are the models, of Intel's family 6, whose clock sinks for a while once 512-bit
// registers are used, as Linux lists them (zmm_exclusion_list in arch/x86/crypto): all
// before Rocket Lake and Sapphire Rapids.
func SlowZMM() []uint32 {
	return []uint32{
		0x55,       // Skylake, Cascade Lake, Cooper Lake, servers
		0x6a, 0x6c, // Ice Lake, servers
		0x7d, 0x7e, 0x9d, // Ice Lake
		0x8c, 0x8d, // Tiger Lake
	}
}

func (p processor) slowZMM() bool {
	return p.intel && p.family == 6 && slices.Contains(SlowZMM(), p.model)
}

// probed asks once, when it is first wanted: in a virtual machine each cpuid
// takes a microsecond or more.
var probed = sync.OnceValue(func() processor {
	var p processor
	last, b, c, d := cpuid(0, 0)
	p.intel = b == 0x756e6547 && d == 0x49656e69 && c == 0x6c65746e // "GenuineIntel"
	version, _, features, _ := cpuid(1, 0)
	p.family, p.model = version>>8&15, version>>4&15
	if p.family == 6 || p.family == 15 {
		p.model |= version >> 12 & 0xf0
	}
	if p.family == 15 {
		p.family += version >> 20 & 0xff
	}
	if features&(ecxOSXSAVE|ecxAVX) == ecxOSXSAVE|ecxAVX {
		p.avx = true
		p.xcr0 = xgetbv()
	}
	if last >= 7 {
		_, p.ebx7, c, _ = cpuid(7, 0)
		p.rdpid = c&ecx7RDPID != 0
	}
	return p
})

// cpuid executes the instruction of that name.
func cpuid(leaf, sub uint32) (a, b, c, d uint32)

// xgetbv returns the lower half of XCR0; needs OSXSAVE.
func xgetbv() uint32
