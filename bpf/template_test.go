package bpf

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sysreflect/sysreflect/bpf/internal/conditions"
	"github.com/sysreflect/sysreflect/policy"
)

// TestTemplates compares filled templates with what the library assembles for the
// same conditions.
func TestTemplates(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	edges := []uint32{0, 1, 1 << 31, math.MaxInt32, math.MaxUint32 - 1, math.MaxUint32}
	half := func() uint32 {
		if random.IntN(2) == 0 {
			return edges[random.IntN(len(edges))]
		}
		return random.Uint32() & random.Uint32()
	}
	value := func() uint64 { return uint64(half())<<32 | uint64(half()) }
	ops := make(map[policy.Op]int)
	for range 20_000 {
		var in []policy.Cond
		for range 1 + random.IntN(16) {
			c := policy.Cond{Arg: random.IntN(6), Op: policy.Op(random.IntN(int(policy.MaskEqual) + 1)), Value: value()}
			if c.Op == policy.MaskEqual {
				c.Mask = value()
				c.Value &= c.Mask
			}
			in = append(in, c)
		}
		conds, _, err := simplify(in)
		if err != nil {
			t.Fatal(err)
		}
		for _, chunk := range chunks(conds) {
			for _, c := range chunk {
				ops[c.Op]++
			}
			got, err := assemble(chunk)
			if err != nil {
				t.Fatal(err)
			}
			want, err := conditions.Assemble(chunk)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%v:\ngot  %v\nwant %v", chunk, got, want)
			}
		}
	}
	for _, op := range []policy.Op{policy.Equal, policy.NotEqual, policy.Less, policy.GreaterEqual, policy.MaskEqual} {
		if ops[op] < 1000 {
			t.Errorf("only %d conditions with comparison %d", ops[op], op)
		}
	}
}
