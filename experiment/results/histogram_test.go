package results

import (
	"math/rand/v2"
	"testing"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// The buckets are HdrHistogram's: its own library says the same of the same
// values.
func TestHistogramIsHDR(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	ours, theirs := &Histogram{Scale: 1}, hdr.New(1, 1<<32-1, 2)
	for range 200000 {
		v := rng.Uint64() >> (32 + rng.IntN(32))
		ours.Record(v)
		if err := theirs.RecordValue(int64(v)); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range []float64{0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 1} {
		if got, want := ours.Quantile(q), float64(theirs.ValueAtQuantile(100*q)); got != want {
			t.Errorf("quantile %v: %v, HdrHistogram says %v", q, got, want)
		}
	}
	bars := ours.Bars()
	i := 0
	for _, b := range theirs.Distribution() {
		if b.Count == 0 {
			continue
		}
		if i >= len(bars) || bars[i].Count != uint64(b.Count) || bars[i].Lo != float64(b.From) || bars[i].Hi != float64(b.To+1) {
			t.Fatalf("bar %d: %+v, HdrHistogram has %+v", i, bars[min(i, len(bars)-1)], b)
		}
		i++
	}
	if i != len(bars) || ours.Total() != uint64(theirs.TotalCount()) {
		t.Errorf("%d bars of %d values, HdrHistogram has %d of %d", len(bars), ours.Total(), i, theirs.TotalCount())
	}
}

func TestBucketBounds(t *testing.T) {
	next := uint64(0)
	for b := range Buckets {
		lo, hi := bounds(b)
		if lo != next || Bucket(lo) != b || Bucket(hi) != b {
			t.Fatalf("bucket %d: %d to %d, found in %d and %d; the one before ends at %d", b, lo, hi, Bucket(lo), Bucket(hi), next)
		}
		next = hi + 1
	}
	if next != 1<<32 || Bucket(1<<40) != Buckets-1 {
		t.Errorf("the last bucket ends at %#x", next)
	}
}

func TestMerge(t *testing.T) {
	a, b := &Histogram{Scale: 2}, &Histogram{Scale: 2}
	a.Record(3)
	b.Record(3)
	b.Record(1000)
	a.Merge(b)
	if a.Total() != 3 || a.Quantile(0.5) != 6 || a.Max() < 2000 || a.Max() > 2016 {
		t.Errorf("%d values, median %v, max %v", a.Total(), a.Quantile(0.5), a.Max())
	}
	if e := (&Histogram{Scale: 1}); e.Quantile(0.5) != 0 || e.Max() != 0 {
		t.Error("an empty histogram has values")
	}
}
