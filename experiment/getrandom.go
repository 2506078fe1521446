package experiment

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/sysreflect/sysreflect/vdsoshim"
)

// image writes what the supervisor hands to programs, with one block function, to
// a file, and says what the measuring program must know of it.
func (b *Bench) image(f vdsoshim.Block) (string, error) {
	kernel, _, err := vdsoshim.Kernel()
	if err != nil {
		return "", err
	}
	built, err := vdsoshim.Complete(vdsoshim.Options{
		Kernel: kernel,
		Blocks: f.Off(),
		Bind:   func(string) vdsoshim.Binding { return vdsoshim.Shim },
	})
	if err != nil {
		return "", err
	}
	region := make([]byte, vdsoshim.RegionSize)
	copy(region, built.Bytes)
	binary.LittleEndian.PutUint64(region[vdsoshim.ControlOff:], 1) // the generation; any but 0
	path := b.path(f.String() + ".region")
	return fmt.Sprintf("%s,%d,%d,%d,%d", path, vdsoshim.ImageSize, vdsoshim.RegionSize, vdsoshim.HandoffOff,
		vdsoshim.ReflectedGetrandomOff), os.WriteFile(path, region, 0o600)
}

// asked is a way of asking for random bytes: a column of the tables, and what
// the measuring program calls it.
type asked struct{ key, way string }

// ours are the vDSO functions of the block functions that this machine can run,
// the fastest first.
func (b *Bench) ours() (ways []asked, err error) {
	for _, f := range vdsoshim.Blocks() {
		if f.Usable() != nil {
			continue
		}
		image, err := b.image(f)
		if err != nil {
			return nil, err
		}
		ways = append(ways, asked{f.String(), "entry:" + image})
	}
	return ways, nil
}

// generators measures ways in turn, and adds a line to the grid. No threads means
// windows of one pinned thread; see floor/generator.c.
func (b *Bench) generators(ctx context.Context, g *Grid, t *Table, bytes, threads, rounds, microseconds int, ways []asked) error {
	argv := []string{b.path("generator")}
	for _, n := range []int{bytes, threads, rounds, microseconds} {
		argv = append(argv, strconv.Itoa(n))
	}
	for _, w := range ways {
		t.row(w.key, w.key)
		argv = append(argv, w.way)
	}
	where := anywhere
	if threads == 0 {
		where = b.cpu
	}
	lines, err := b.numbers(ctx, where, argv...)
	if err != nil {
		return err
	}
	// Windows of a few microseconds are too many values to keep.
	for part := range slices.Chunk(lines, max(1, len(lines)/20)) {
		for i, s := range t.Rows {
			var timed []float64
			for _, l := range part {
				if len(l) != len(ways) {
					return fmt.Errorf("generator printed %v", l)
				}
				timed = append(timed, l[i])
			}
			s.add(timed...)
		}
	}
	t.Unit = Nanoseconds
	t.Base, t.Again = t.series("kernel"), t.series("again")
	g.Lines = append(g.Lines, t)
	return nil
}

// Getrandom compares the generator at many lengths with the kernel's system call
// and vDSO and with a generator of the program's own.
func (b *Bench) Getrandom(ctx context.Context) (*Grid, error) {
	ours, err := b.ours()
	if err != nil {
		return nil, err
	}
	rounds := b.rounds(2000)
	g := &Grid{
		Title: "getrandom, one thread",
		How: fmt.Sprintf("ways in turn, %d windows each of 20 µs or more, on processor %d; a value is the median of %d windows;\n"+
			"  the loop is not subtracted", rounds*9/10, b.cpu, rounds*9/10/20),
		Head: "bytes",
		Notes: []string{
			"call: the system call. kernel: the vDSO's function; again: once more. avx512, avx2, scalar: ours",
			"in its place. reflected: ours (" + ours[0].key + ") in place of the system call. own: in the program itself,",
			"with thread-local memory, without a lock, not for signal handlers; follows the exported generation.",
		},
	}
	ways := append([]asked{{"loop", "loop"}, {"call", "call"}, {"kernel", "kernel"}}, ours...)
	ways = append(ways, asked{"reflected", strings.Replace(ours[0].way, "entry", "reflected", 1)},
		asked{"own", "own"}, asked{"again", "kernel"})
	sizes := []int{1, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2016, 2017, 4096, 16384, 65536}
	for _, n := range sizes {
		t := &Table{Key: fmt.Sprintf("Getrandom/bytes=%d", n), Title: strconv.Itoa(n)}
		r := rounds
		if n > 4096 {
			r = max(3, rounds/5) // each call is longer than a window
		}
		if err := b.generators(ctx, g, t, n, 0, r, 20, ways); err != nil {
			return nil, err
		}
	}
	from := func(least, most int) func(int) bool {
		return func(line int) bool { return sizes[line] >= least && sizes[line] <= most }
	}
	for _, w := range ours {
		if times := map[string]float64{"avx512": 4, "avx2": 3}[w.key]; times > 0 {
			g.Bounds = append(g.Bounds, Bound{Of: w.key, Lines: from(16, 256), Times: times,
				Text: fmt.Sprintf("%s at least %.0f times as fast as the kernel's vDSO, 16 to 256 bytes", w.key, times)})
		}
	}
	for _, w := range ours {
		g.Bounds = append(g.Bounds, Bound{Of: w.key, Lines: from(4, 65536), Times: 1,
			Text: w.key + " never slower than the kernel's vDSO, 4 bytes and more"})
	}
	return g, nil
}

// Threads compares the generator with the kernel's vDSO when many threads ask at
// once.
func (b *Bench) Threads(ctx context.Context) (*Grid, error) {
	ours, err := b.ours()
	if err != nil {
		return nil, err
	}
	g := &Grid{
		Title: "getrandom, many threads",
		How:   "processor time of all threads for one call; each way until every thread had a turn; not pinned",
		Head:  "threads, bytes",
		Notes: []string{"Of many threads most were preempted, and those that were in a call of ours hold a slot."},
	}
	ways := append(append([]asked{{"kernel", "kernel"}}, ours...), asked{"own", "own"}, asked{"again", "kernel"})
	var threads []int
	for _, n := range []int{16, 256} {
		for _, k := range []int{1, 2, 8, 64, 256} {
			t := &Table{Key: fmt.Sprintf("GetrandomThreads/threads=%d/bytes=%d", k, n), Title: fmt.Sprintf("%d, %d", k, n)}
			// A turn takes up to 4 ms, the time between two ticks of most kernels.
			if err := b.generators(ctx, g, t, n, k, b.rounds(4), 4000*max(15, k), ways); err != nil {
				return nil, err
			}
			threads = append(threads, k)
		}
	}
	g.Bounds = []Bound{{Of: ours[0].key, Nanoseconds: 25, Lines: func(i int) bool { return i == 2 },
		Text: ours[0].key + " below 25 ns for 16 bytes with 8 threads"}}
	for _, w := range ours {
		g.Bounds = append(g.Bounds, Bound{Of: w.key, Times: 1, Lines: func(i int) bool { return threads[i] == 256 },
			Text: w.key + " no slower than the kernel's vDSO with 256 threads"})
	}
	return g, nil
}
