package policy

import (
	"math/rand/v2"
	"testing"
)

// Conditions over few values, judged by trying all of them.
func TestCondsAgainstTrial(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	values := []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 1 << 32, 1<<63 + 1, 1<<64 - 2, 1<<64 - 1}
	random := func() Cond {
		c := Cond{Op: Op(rng.IntN(int(MaskEqual) + 1)), Value: values[rng.IntN(len(values))]}
		if c.Op == MaskEqual {
			c.Mask = 1 + rng.Uint64N(7)
			c.Value &= c.Mask
		}
		return c
	}
	all := func(conds []Cond, v uint64) bool {
		for _, c := range conds {
			if !c.Holds(&[6]uint64{v}) {
				return false
			}
		}
		return true
	}
	never, implied := 0, 0
	for range 50000 {
		a, b := []Cond{random()}, []Cond{random()}
		for rng.IntN(2) == 0 {
			a = append(a, random())
		}
		if rng.IntN(2) == 0 {
			b = append(b, random())
		}
		if len(a) > 16 {
			continue
		}
		refused := checkConds(a) != nil
		imp := implies(a, b)
		if refused {
			never++
		}
		if imp {
			implied++
		}
		for _, v := range append(values, 9, 10, 15, 1<<32-1, 1<<32+1, 1<<63) {
			if refused && all(a, v) {
				t.Fatalf("%v is said never to hold, and does for %#x", a, v)
			}
			if imp && all(a, v) && !all(b, v) {
				t.Fatalf("%v is said to imply %v, and does not for %#x", a, b, v)
			}
		}
	}
	if never < 1000 || implied < 1000 {
		t.Errorf("%d refused, %d implied: too few to prove anything", never, implied)
	}
}

func TestParseCond(t *testing.T) {
	for _, tc := range []struct {
		text string
		want Cond
	}{
		{"arg0 == 3", Cond{0, Equal, 0, 3}},
		{"arg5!=0x10", Cond{5, NotEqual, 0, 16}},
		{"  arg1 < 4096  ", Cond{1, Less, 0, 4096}},
		{"arg1 <= 1", Cond{1, LessEqual, 0, 1}},
		{"arg1 > 1", Cond{1, Greater, 0, 1}},
		{"arg1 >= 18446744073709551615", Cond{1, GreaterEqual, 0, 1<<64 - 1}},
		{"arg2 & O_CREAT == O_CREAT", Cond{2, MaskEqual, 0x40, 0x40}},
		{"arg2 & O_CREAT != O_CREAT", Cond{2, MaskEqual, 0x40, 0}},
		{"arg2 & O_CREAT != 0", Cond{2, MaskEqual, 0x40, 0x40}},
		{"arg2&(7) == 1", Cond{}},
		{"arg2 & O_CREAT|O_TRUNC == 0", Cond{2, MaskEqual, 0x240, 0}},
		{"arg2 & 0xf0 == 0x10 | 0x20", Cond{2, MaskEqual, 0xf0, 0x30}},
		{"int(arg0) == AF_INET6", Cond{0, MaskEqual, 0xffffffff, 10}},
		{"int( arg0 ) == -100", Cond{0, MaskEqual, 0xffffffff, 0xffffff9c}},
		{"int(arg0) == AT_FDCWD", Cond{0, MaskEqual, 0xffffffff, 0xffffff9c}},
		{"int(arg0) == 0xffffffff", Cond{0, MaskEqual, 0xffffffff, 0xffffffff}},
		{"int(arg2) & 3 == 1", Cond{2, MaskEqual, 3, 1}},
		{"arg0 == 0b11", Cond{0, Equal, 0, 3}},
		{"arg0 == 0o17", Cond{0, Equal, 0, 15}},
		{"arg3 == CLONE_NEWUSER|CLONE_NEWNS", Cond{3, Equal, 0, 0x10020000}},
	} {
		got, err := ParseCond(tc.text)
		if (err != nil) != (tc.want == Cond{}) || got != tc.want {
			t.Errorf("%q is %+v, %v", tc.text, got, err)
		}
		if err != nil {
			continue
		}
		// What is printed can be read again.
		if again, err := ParseCond(got.String()); err != nil || again != got {
			t.Errorf("%q is printed as %q, which is %+v, %v", tc.text, got, again, err)
		}
	}
}

func FuzzParseCond(f *testing.F) {
	for _, s := range []string{"arg0 == 3", "int(arg1) == -1", "arg2 & O_CREAT|7 != 0", "arg9", "arg0 & & 1", "arg0 == 1 && arg1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, e := parseCond(text)
		if e != nil {
			if e.off < 0 || e.off > len(text) || e.Msg == "" {
				t.Fatalf("%q: %v at %d", text, e, e.off)
			}
			return
		}
		again, err := ParseCond(c.String())
		if err != nil || again != c {
			t.Fatalf("%q is %v, which is %v, %v", text, c, again, err)
		}
	})
}
