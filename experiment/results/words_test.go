package results

import "testing"

func TestWords(t *testing.T) {
	native := &Figure{Way: "native"}
	for _, tc := range []struct {
		ratio, lo, hi, holm, noise float64
		want, short                string
	}{
		{1.013, 1.009, 1.017, 0.001, 0.005, "1.3 % ± 0.4 slower than native", "+1.3 %"},
		{0.95, 0.93, 0.97, 0.001, 0.005, "5 % ± 2 faster than native", "−5 %"},
		{1.013, 1.009, 1.017, 0.2, 0.005, "n.s. (+1.3 % ± 0.4)", "n.s."},
		{0.999, 0.99, 1.008, 0.001, 0.005, "n.s. (−0.1 % ± 0.9)", "n.s."},
		{3.237, 3.18, 3.28, 0.001, 0.005, "3.24 ± 0.05 times as long as native", "3.24×"},
		{41.3, 40, 43, 0.001, 0.005, "41 ± 2 times as long as native", "41×"},
		{0.0553, 0.0551, 0.0555, 0.001, 0.005, "18.08 ± 0.07 times as fast as native", "18.08× faster"},
		{1.5, 1.5, 1.5, 0.001, 0.005, "50.0 % ± 0.0 slower than native", "+50.0 %"},
		{1.24, 1.08, 1.62, 0.001, 0.005, "24 % (8 to 62) slower than native", "+24 %"},
		{0.7, 0.65, 0.99, 0.001, 0.005, "30 % (1 to 35) faster than native", "−30 %"},
		{1.02, 0.99, 1.4, 0.3, 0.005, "n.s. (+2 % ± 20)", "n.s."},
		{4, 3, 13, 0.001, 0.005, "4 (3 to 13) times as long as native", "4×"},
	} {
		c := Comparison{Baseline: native, Ratio: Summary{Median: tc.ratio, Lo: tc.lo, Hi: tc.hi}, Holm: tc.holm, Noise: tc.noise}
		if got := c.Words(); got != tc.want {
			t.Errorf("%v: %q, want %q", tc.ratio, got, tc.want)
		}
		if got := c.Short(); got != tc.short {
			t.Errorf("%v: %q, want %q", tc.ratio, got, tc.short)
		}
	}
	memory := Comparison{Figure: &Figure{Unit: "B"}, Baseline: native, Ratio: Summary{Median: 1.5, Lo: 1.4, Hi: 1.6}, Noise: 0.01}
	if got := memory.Words(); got != "50 % ± 10 more than native" {
		t.Errorf("memory: %q", got)
	}
	memory.Ratio = Summary{Median: 0.25, Lo: 0.24, Hi: 0.26}
	if got := memory.Words(); got != "75 % ± 1 less than native" {
		t.Errorf("memory: %q", got)
	}
	none := Compare(&Figure{}, native, 0)
	if got := none.Words(); got != "not measured" {
		t.Errorf("nothing measured: %q", got)
	}
}

func TestScaled(t *testing.T) {
	for _, tc := range []struct {
		v    float64
		unit string
		want string
	}{
		{1234, "ns/op", "1.23 µs/op"}, {0.31, "ns/op", "0.31 ns/op"}, {1500, "ms", "1.50 s"}, {12.345, "ms", "12.3 ms"},
		{0.05, "ms", "50 µs"}, {3 << 20, "B", "3 MiB"}, {1536, "B", "1.50 KiB"}, {17, "calls", "17 calls"}, {0, "ms", "0 ms"},
		{250, "ns", "250 ns"}, {999.96, "µs", "1000 µs"},
	} {
		text, unit := Scaled(tc.v, tc.unit)
		if got := text + " " + unit; got != tc.want {
			t.Errorf("%v %s: %q, want %q", tc.v, tc.unit, got, tc.want)
		}
	}
}
