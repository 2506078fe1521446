package supervisor

import (
	"slices"
	"testing"

	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/reflect/patch"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

// What a policy promises, the image has room for.
func TestPatchNumbers(t *testing.T) {
	if policy.PatchNumbers != vdsoshim.DispatchCalls {
		t.Errorf("a policy patches numbers below %d, the image those below %d", policy.PatchNumbers, vdsoshim.DispatchCalls)
	}
}

func TestWants(t *testing.T) {
	type answer struct {
		at    int // the how manieth notification, from 1 on
		visit bool
	}
	asked := func(n int, next func(i int) hit) (out []answer) {
		p := &patching{hits: map[hit]int{}}
		for i := range n {
			if now, visit := p.wants(next(i)); now {
				out = append(out, answer{i + 1, visit})
			}
		}
		return out
	}
	for _, c := range []struct {
		name string
		n    int
		next func(i int) hit
		want []answer
	}{
		{"one thread", 200, func(int) hit { return hit{7, 0x1000} },
			[]answer{{2, false}, {4, false}, {8, false}, {16, false}, {32, false}, {64, true}, {128, true}}},
		{"one call at each site", 200, func(i int) hit { return hit{7, uint64(i)} }, nil},
		{"one call by each thread", 200, func(i int) hit { return hit{int32(1 + i), 0x1000} },
			[]answer{{4, false}, {8, false}, {16, false}, {32, false}, {64, true}, {128, true}}},
		{"two threads", 6, func(i int) hit { return hit{int32(1 + i%2), 0x1000} }, []answer{{3, false}, {4, false}}},
	} {
		if got := asked(c.n, c.next); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// A notification that met another patch counts for nothing: the next is as good.
func TestWantsAgain(t *testing.T) {
	p := &patching{hits: map[hit]int{}}
	h := hit{7, 0x1000}
	p.wants(h)
	for range 5 {
		if now, _ := p.wants(h); !now {
			t.Fatal("not the next one")
		}
		p.again(h)
	}
}

// Where only tracers may write, a site waits until it is worth attaching to a thread;
// where nobody may, nothing is tried.
func TestWantsWhereForbidden(t *testing.T) {
	p := &patching{hits: map[hit]int{}}
	if !p.may(false) || !p.may(true) {
		t.Error("may not, though nothing is known")
	}
	p.traced.Store(true)
	if p.may(false) || !p.may(true) {
		t.Error("where only tracers may")
	}
	p.never.Store(true)
	if p.may(false) || p.may(true) {
		t.Error("where nobody may")
	}
}

// A thread that executes another program begins anew.
func TestWantsForgets(t *testing.T) {
	p := &patching{hits: map[hit]int{}, patcher: &patch.Patcher{}}
	h := hit{7, 0x1000}
	for i := range 3 {
		if now, _ := p.wants(h); now {
			t.Errorf("wanted after %d", i)
		}
		p.forget(7)
	}
	// By now the site was asked at often enough, by whomever.
	if now, _ := p.wants(h); !now {
		t.Error("not wanted")
	}
	if n := len(p.hits); n > 2 {
		t.Errorf("%d entries", n)
	}
}

// A thread that was visited tells of its site once more, and is not visited again for that:
// where there is no room for stubs it would never have its answer.
func TestVisitedOnce(t *testing.T) {
	p := &patching{visited: map[hit]struct{}{}}
	h := hit{7, 0x1000}
	if p.visitedNow(h) {
		t.Error("before there was a visit")
	}
	for range 2 {
		p.visits(h)
		if !p.visitedNow(h) || p.visitedNow(h) || p.visitedNow(hit{8, 0x1000}) {
			t.Error("not once")
		}
	}
	for i := range 3 * maxHits {
		p.visits(hit{7, uint64(i)})
	}
	if len(p.visited) > maxHits {
		t.Errorf("%d are remembered", len(p.visited))
	}
}

// A site whose file is known is counted by who leads, without handing on.
func TestCountKnown(t *testing.T) {
	h, s := hit{7, 0x1000}, &patch.Site{}
	p := &patching{patcher: patch.New(0, nil), followed: map[hit]*patch.Site{h: s}}
	p.count(h, 39, func() { t.Error("as if it took long") })
	if s.Notified != 1 {
		t.Errorf("counted %d", s.Notified)
	}
}
