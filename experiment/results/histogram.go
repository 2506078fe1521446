package results

import (
	"encoding/json"
	"fmt"
	"math/bits"
)

// A Histogram counts values by size, in HdrHistogram's buckets with two
// significant digits: 256 of equal width up to 255, then 128 for each doubling, so
// that a bucket is never wider than 0.8 % of what is in it. Values are in the
// unit of the figure's samples over 1/Scale.
type Histogram struct {
	Scale  float64  // values times Scale are in the figure's unit
	Counts []uint64 // by bucket; shorter than Buckets where the last are empty
}

// The buckets: subBuckets of width 1, then half as many for each doubling.
const (
	subBuckets = 256
	halfBits   = 7
	// Buckets is how many there are for values of 32 bits.
	Buckets = subBuckets + (32-8)*subBuckets/2
)

// Bucket returns the bucket of a value; larger ones than 32 bits are in the last.
func Bucket(v uint64) int {
	if v >= 1<<32 {
		return Buckets - 1
	}
	shift := max(0, bits.Len64(v)-8)
	return shift<<halfBits + int(v>>shift)
}

// bounds returns the least and the largest value of a bucket.
func bounds(bucket int) (lo, hi uint64) {
	if bucket < subBuckets {
		return uint64(bucket), uint64(bucket)
	}
	shift := bucket>>halfBits - 1
	lo = uint64(bucket-shift<<halfBits) << shift
	return lo, lo + 1<<shift - 1
}

// Record counts a value.
func (h *Histogram) Record(v uint64) {
	h.Add(Bucket(v), 1)
}

// Add counts n values of a bucket, below Buckets.
func (h *Histogram) Add(bucket int, n uint64) {
	if more := bucket + 1 - len(h.Counts); more > 0 {
		h.Counts = append(h.Counts, make([]uint64, more)...)
	}
	h.Counts[bucket] += n
}

// Merge adds what another histogram of the same scale has counted.
func (h *Histogram) Merge(o *Histogram) {
	if n := len(o.Counts) - len(h.Counts); n > 0 {
		h.Counts = append(h.Counts, make([]uint64, n)...)
	}
	for i, n := range o.Counts {
		h.Counts[i] += n
	}
}

// Total is the number of values.
func (h *Histogram) Total() (n uint64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// Quantile returns the value below or at which a share q of all values lies: the
// largest of its bucket, in the figure's unit.
func (h *Histogram) Quantile(q float64) float64 {
	total := h.Total()
	if total == 0 {
		return 0
	}
	rank := max(1, uint64(q*float64(total)+0.5))
	for i, n := range h.Counts {
		if n >= rank {
			_, hi := bounds(i)
			return float64(hi) * h.Scale
		}
		rank -= n
	}
	return h.Max()
}

// Max returns the largest value's bucket, in the figure's unit.
func (h *Histogram) Max() float64 {
	for i := len(h.Counts) - 1; i >= 0; i-- {
		if h.Counts[i] > 0 {
			_, hi := bounds(i)
			return float64(hi) * h.Scale
		}
	}
	return 0
}

// A Bar is one bucket that is not empty.
type Bar struct {
	Lo, Hi float64 // in the figure's unit
	Count  uint64
}

// Bars returns the buckets that are not empty.
func (h *Histogram) Bars() (bars []Bar) {
	for i, n := range h.Counts {
		if n > 0 {
			lo, hi := bounds(i)
			bars = append(bars, Bar{float64(lo) * h.Scale, float64(hi+1) * h.Scale, n})
		}
	}
	return bars
}

// histogramJSON lists the buckets that are not empty: least value, count.
type histogramJSON struct {
	Scale   float64     `json:"scale"`
	Buckets [][2]uint64 `json:"buckets"`
}

// MarshalJSON writes the buckets that are not empty.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	out := histogramJSON{Scale: h.Scale, Buckets: [][2]uint64{}}
	for i, n := range h.Counts {
		if n > 0 {
			lo, _ := bounds(i)
			out.Buckets = append(out.Buckets, [2]uint64{lo, n})
		}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (h *Histogram) UnmarshalJSON(data []byte) error {
	var in histogramJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*h = Histogram{Scale: in.Scale}
	for _, b := range in.Buckets {
		if b[0] >= 1<<32 {
			return fmt.Errorf("histogram: %d has more than 32 bits", b[0])
		}
		h.Add(Bucket(b[0]), b[1])
	}
	return nil
}
