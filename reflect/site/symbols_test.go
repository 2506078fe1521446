package site

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestInOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	draw := map[string]func() uint64{
		"dense":     func() uint64 { return 0x400000 + random.Uint64N(100) },
		"spread":    random.Uint64,
		"one":       func() uint64 { return 7 },
		"two ends":  func() uint64 { return random.Uint64N(2) * math.MaxUint64 },
		"clustered": func() uint64 { return random.Uint64N(3)<<40 + random.Uint64N(50) },
	}
	for name, addr := range draw {
		for _, n := range []int{0, 1, 2, 3, 7, 8, 1000} {
			s := make([]symbol, n)
			for i := range s {
				s[i] = symbol{addr: addr(), size: random.Uint64N(3), table: uint8(random.Uint32N(2)), name: uint32(i)}
			}
			got := inOrder(slices.Clone(s))
			if !slices.IsSortedFunc(got, order) {
				t.Fatalf("%s, %d: not sorted: %v", name, n, got)
			}
			slices.SortFunc(got, func(x, y symbol) int { return int(x.name) - int(y.name) })
			if !slices.Equal(got, s) {
				t.Fatalf("%s, %d: not the same symbols", name, n)
			}
		}
	}
}
