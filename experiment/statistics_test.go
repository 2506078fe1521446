package experiment

import (
	"testing"
)

func series(from, to float64) (values []float64) {
	for v := from; v <= to; v++ {
		values = append(values, v)
	}
	return values
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{7}, 7},
		{[]float64{3, 1, 2}, 2},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v: %v, want %v", c.values, got, c.want)
		}
	}
}

func TestInterval(t *testing.T) {
	for _, c := range []struct {
		values []float64
		lo, hi float64
	}{
		{[]float64{5}, 5, 5},
		{series(1, 3), 1, 3},     // too few to leave any out
		{series(1, 25), 8, 18},   // binomial(25, 1/2): 7 below has 2 %
		{series(1, 100), 40, 60}, // the 40th to the 60th hold it with 95.4 %, the 41st to the 60th with 94.3
		{series(1, 101), 41, 61},
		{series(0, 9999), 4901, 5098},
	} {
		lo, hi := interval(c.values)
		if lo != c.lo || hi != c.hi {
			t.Errorf("interval of %d values: %v to %v, want %v to %v", len(c.values), lo, hi, c.lo, c.hi)
		}
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		limit float64
		want  Verdict
	}{
		{70, Met}, {60, Met}, {55, MetClose}, {45, MissedClose}, {39, Missed}, {10, Missed},
	} {
		if got := judge(series(1, 100), c.limit); got != c.want {
			t.Errorf("limit %v: %q, want %q", c.limit, got, c.want)
		}
	}
}

func TestJudgeEqual(t *testing.T) {
	for _, c := range []struct {
		from, to, noise float64
		want            Verdict
	}{
		{-9, -1, 1, Met},
		{-9, 9, 1, Same},
		{1, 3, 2, Same},
		{4, 6, 2, Missed},
		{4, 6, 11, Unclear}, // noise would hide what matters
	} {
		if got := judgeEqual(series(c.from, c.to), c.noise, 10); got != c.want {
			t.Errorf("%v to %v, noise %v: %q, want %q", c.from, c.to, c.noise, got, c.want)
		}
	}
}

// A slow second falls on both of a pair: their difference does not see it.
func TestPaired(t *testing.T) {
	a, b := []float64{3, 103, 3}, []float64{1, 101, 1, 1}
	for _, d := range paired(a, b, difference) {
		if d != 2 {
			t.Errorf("difference %v, want 2", d)
		}
	}
	if n := len(paired(a, b, ratio)); n != 3 {
		t.Errorf("%d pairs, want 3", n)
	}
}
