package experiment

import (
	"regexp"
	"strings"
	"testing"
)

func example() *Table {
	t := &Table{Key: "Thing", Title: "a thing", How: "somehow", Unit: Microseconds, Notes: []string{"a note"}}
	t.Base, t.Again = t.row("native", "native"), t.row("native-again", "native, again")
	ours := t.row("ours", "ours")
	for i := range 9 {
		t.Base.add(1000, float64(1000+i), 5000)
		t.Again.add(1001)
		ours.add(3000)
	}
	t.Claims = []Claim{
		{Text: "at most 3 µs over native", Of: ours, Against: t.Base, Limit: 3000},
		{Text: "at most twice", Of: ours, Against: t.Base, Ratio: true, Limit: 2},
	}
	return t
}

func TestTableText(t *testing.T) {
	var b strings.Builder
	example().Text(&b)
	want := `a thing
  somehow

                   median      min   95 % of the median   over native   
          native   1.0 µs   1.0 µs           1.0 to 1.0                 
   native, again   1.0 µs   1.0 µs           1.0 to 1.0       -0.0 µs   
            ours   3.0 µs   3.0 µs           3.0 to 3.0       +2.0 µs   

  target: at most 3 µs over native: +2.0 µs (+2.0 to +2.0; by minima +2.0): met
  target: at most twice: 2.99 (2.98 to 3.00; by minima 3.00): missed
  noise: native against itself differs by up to 0.0 µs
  a note
`
	// Trailing blanks are tabwriter's.
	trim := func(s string) string { return regexp.MustCompile(`(?m) +$`).ReplaceAllString(s, "") }
	if got := trim(b.String()); got != trim(want)+"\n" {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestGridText(t *testing.T) {
	g := &Grid{Title: "a grid", How: "somehow", Head: "bytes", Notes: []string{"a note"}}
	for i, title := range []string{"1", "16"} {
		line := &Table{Key: "Grid/bytes=" + title, Title: title}
		kernel, ours, again := line.row("kernel", "kernel"), line.row("ours", "ours"), line.row("again", "again")
		line.Base, line.Again = kernel, again
		for range 9 {
			kernel.add(float64(10 + 90*i))
			ours.add(20)
			again.add(float64(10+90*i) + 0.1)
		}
		g.Lines = append(g.Lines, line)
	}
	all := func(int) bool { return true }
	g.Bounds = []Bound{
		{Text: "never slower", Of: "ours", Lines: all, Times: 1},
		{Text: "four times", Of: "ours", Lines: func(i int) bool { return i == 1 }, Times: 4},
		{Text: "below 25 ns", Of: "ours", Lines: all, Nanoseconds: 25},
	}
	var b strings.Builder
	g.Text(&b)
	want := `a grid
  somehow

  median, ns
  bytes  kernel   ours  again
      1   10.00  20.00  10.10
     16   100.0  20.00  100.1

  minimum, ns
  bytes  kernel   ours  again
      1   10.00  20.00  10.10
     16   100.0  20.00  100.1

  times as fast as kernel, median
  bytes  kernel  ours  again
      1    1.00  0.50   0.99
     16    1.00  5.00   1.00

  target: never slower
    worst at 1: 0.50 times as fast (0.50 to 0.50; by minima 0.50): missed
  target: four times
    worst at 16: 5.00 times as fast (5.00 to 5.00; by minima 5.00): met
  target: below 25 ns
    worst at 1: 20.0 ns (20.0 to 20.0; minimum 20.0): met
  noise: kernel against itself differs by up to 1.0 %
  a note

`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	g.GoFormat(&b)
	if lines := strings.Split(b.String(), "\n"); len(lines) != 2*3*9+1 || lines[0] != "BenchmarkGrid/bytes=1/kernel 1 10 ns/op" {
		t.Errorf("Go benchmark format: %q", lines)
	}
}

// The syntax that benchstat reads: golang.org/design/14313-benchmark-format.
func TestGoFormat(t *testing.T) {
	var b strings.Builder
	example().GoFormat(&b)
	f := &Footprint{Few: 1, Many: 2}
	f.GoFormat(&b)
	line := regexp.MustCompile(`^Benchmark[A-Z][A-Za-z]*/[a-z-]+ 1( [0-9.]+ [a-z/-]+)+$`)
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if want := 3*9 + 3; len(lines) != want {
		t.Errorf("%d lines, want %d", len(lines), want)
	}
	for _, l := range lines {
		if !line.MatchString(l) {
			t.Errorf("not a benchmark line: %q", l)
		}
	}
}

func TestVerdictNoise(t *testing.T) {
	table := &Table{Unit: Nanoseconds}
	table.Base, table.Again = table.row("native", "native"), table.row("native-again", "again")
	floor, ours := table.row("filter", "filter"), table.row("ours", "ours")
	for range 9 {
		table.Base.add(100)
		table.Again.add(101)
		floor.add(130)
		ours.add(130.5)
	}
	c := &Claim{Of: ours, Against: floor, Equal: true}
	if v := table.Verdict(c); v != Same {
		t.Errorf("half a nanosecond where the noise is one: %q", v)
	}
	for i := range table.Again.Values {
		table.Again.Values[i] = 150
	}
	if v := table.Verdict(c); v != Unclear {
		t.Errorf("noise of 50 ns where the tax is 30: %q", v)
	}
}
