package policy

import (
	"fmt"
	"slices"
	"strconv"
)

// An RNGSource is where the bytes of getrandom come from.
type RNGSource uint8

const (
	// KernelSeeded is the shim's generator, which the kernel gives its keys,
	// and the kernel's own for the rest.
	KernelSeeded RNGSource = iota
	// Deterministic makes all bytes from a seed, in the supervisor. They are no
	// secret: for tests.
	Deterministic
)

// A Block is how the shim's generator computes a block of its cipher.
type Block uint8

const (
	BlockAuto   Block = iota // the fastest that the processor has
	BlockAVX512              // an error where the processor lacks it
	BlockAVX2                // likewise
	BlockScalar              // general registers only
)

// CPUs is where programs with deterministic bytes run.
type CPUs uint8

const (
	// CPUsOne is one processor, whose threads don't preempt each other when they
	// wake: which of them asks first is then not left to chance.
	CPUsOne CPUs = iota
	CPUsAll      // wherever they may
)

// An RNG is what a plan says about random bytes. Its zero value is what holds
// without the key rng.
type RNG struct {
	Source RNGSource
	// Seed is the seed of Deterministic, and empty otherwise: a number below
	// 2^64 in decimal, or a text that is none. "1" and "0x1" are one seed in a
	// policy and "1" here.
	Seed  string
	Block Block
	// CPUs counts where the source is Deterministic.
	CPUs CPUs
	// Pos is where the policy names the source, if it does.
	Pos Pos
}

var (
	sourceWords = [...]string{KernelSeeded: "kernel-seeded", Deterministic: "deterministic"}
	blockWords  = [...]string{BlockAuto: "auto", BlockAVX512: "avx512", BlockAVX2: "avx2", BlockScalar: "scalar"}
	cpusWords   = [...]string{CPUsOne: "one", CPUsAll: "all"}
)

// String returns the word that a policy uses for s.
func (s RNGSource) String() string {
	if int(s) < len(sourceWords) {
		return sourceWords[s]
	}
	return fmt.Sprintf("source(%d)", uint8(s))
}

// String returns the word that a policy uses for b.
func (b Block) String() string {
	if int(b) < len(blockWords) {
		return blockWords[b]
	}
	return fmt.Sprintf("block(%d)", uint8(b))
}

// String returns the word that a policy uses for c.
func (c CPUs) String() string {
	if int(c) < len(cpusWords) {
		return cpusWords[c]
	}
	return fmt.Sprintf("cpus(%d)", uint8(c))
}

// String returns r as explain writes it.
func (r RNG) String() string {
	s := r.Source.String()
	if r.Source == Deterministic {
		s += ", from the seed " + seedLabel(r.Seed) + ", cpus " + r.CPUs.String()
	}
	if r.Block != BlockAuto {
		s += ", block " + r.Block.String()
	}
	return s
}

// seedLabel quotes a seed that is a text.
func seedLabel(seed string) string {
	if _, ok := parseUint(seed); ok {
		return seed
	}
	return strconv.Quote(seed)
}

// check reports what is wrong with an RNG that was made in Go.
func (r RNG) check() *Error {
	switch {
	case int(r.Source) >= len(sourceWords):
		return failf("unknown source %d", r.Source).wrap(ErrUnknown)
	case int(r.Block) >= len(blockWords):
		return failf("unknown block function %d", r.Block).wrap(ErrUnknown)
	case int(r.CPUs) >= len(cpusWords):
		return failf("unknown cpus %d", r.CPUs).wrap(ErrUnknown)
	case r.Source == KernelSeeded && r.Seed != "":
		return failf("source %v takes no seed", r.Source).hint("a seed is for source: deterministic")
	case r.Source == Deterministic && r.Seed == "":
		return noSeed()
	case len(r.Seed) > maxSeed:
		return longSeed()
	}
	if n, ok := parseUint(r.Seed); ok && strconv.FormatUint(n, 10) != r.Seed {
		return failf("the seed %q is a number that is not written in decimal", r.Seed)
	}
	return nil
}

// WithSeed returns a plan whose random bytes are deterministic, whatever its
// policies say of their source. The error, an Errors, says why no seed can reach
// this plan's getrandom.
func (p *Plan) WithSeed(seed uint64) (*Plan, error) {
	q := *p
	q.Rules = slices.Clone(p.Rules)
	q.RNG = RNG{Source: Deterministic, Seed: strconv.FormatUint(seed, 10), Block: p.RNG.Block, CPUs: p.RNG.CPUs}
	if errs := q.settleRNG(); len(errs) > 0 {
		return nil, errs
	}
	q.Warnings = warnings(&q)
	return &q, nil
}

// ParseSeed reads a seed that is a number, decimal or with 0x.
func ParseSeed(word string) (uint64, error) {
	n, ok := parseUint(word)
	if !ok {
		return 0, failf("a seed is a number from 0 to 18446744073709551615, not %s", strconv.Quote(word)).
			hint("%s", numberHint(word))
	}
	return n, nil
}

// settleRNG gives getrandom the mechanism that a deterministic source needs.
// One place makes the bytes, in the order of the calls, so every call goes
// there. That no call gets the kernel's bytes instead is what a seed is for, so
// a policy that lets one through can't have one.
func (p *Plan) settleRNG() Errors {
	if p.RNG.Source != Deterministic {
		return nil
	}
	const hint = "a seed needs {calls: getrandom, do: shim}, as in the preset random"
	leak := func(a Action, pos Pos) Errors {
		return Errors{failf("getrandom meets %v, so the program gets bytes that are not deterministic", a).at(pos).hint(hint)}
	}
	nr, _ := Number("getrandom")
	served, decided := false, false
	for i := range p.Rules {
		r := &p.Rules[i]
		if r.Nr != nr {
			continue
		}
		switch r.Action.Kind {
		case Allow, Stub, Audit, Passthrough:
			return leak(r.Action, r.Pos)
		case Shim:
			if r.Mechanism != Ptrace && r.Mechanism != PtraceAll { // these end in the supervisor too
				r.Mechanism, r.Base = Notify, Auto
			}
			served = true
		case Go:
			served = true
		}
		decided = decided || len(r.Conds) == 0
	}
	if k := p.Default.Kind; !decided && (k == Allow || k == Audit) {
		pos := p.DefaultPos
		if pos == (Pos{}) {
			pos = p.RNG.Pos
		}
		return leak(p.Default, pos)
	}
	if !served {
		return Errors{failf("getrandom gives no bytes under this policy, so a seed means nothing").at(p.RNG.Pos).hint(hint)}
	}
	return nil
}
