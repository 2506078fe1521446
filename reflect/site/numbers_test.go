package site

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSitesWith compares with what a plan of every site says.
func TestSitesWith(t *testing.T) {
	numbers := []int{9, 10, 11, 12, 25, 318}
	for _, path := range machineFiles(t) {
		f := open(t, path)
		var want []uint64
		for _, at := range sitesOf(f) {
			if plan, err := f.Analyze(at); err == nil && slices.Contains(numbers, plan.Number) {
				want = append(want, at)
			}
		}
		start := time.Now()
		got := f.SitesWith(numbers, []string{"no such function"}, 1<<30)
		took := time.Since(start)
		for _, at := range want {
			if !slices.Contains(got, at) {
				t.Errorf("%s: %#x is not found", path, at)
			}
		}
		if len(got) > 2*len(want)+10 {
			t.Errorf("%s: %d places for %d sites", path, len(got), len(want))
		}
		t.Logf("%s: %d places for %d sites in %v", path, len(got), len(want), took)
		if got := f.SitesWith(numbers, nil, 1); len(got) > 0 {
			t.Errorf("%s: %x in one byte", path, got)
		}
	}
}

// TestSitesWithNames: in the C library the functions' own sites are enough.
func TestSitesWithNames(t *testing.T) {
	for _, path := range machineFiles(t) {
		f := open(t, path)
		var found []int
		for _, at := range f.SitesWith([]int{9, 10, 11}, []string{"munmap", "mprotect", "mmap"}, 1) {
			if plan, err := f.Analyze(at); err == nil {
				found = append(found, plan.Number)
			}
		}
		slices.Sort(found)
		c := strings.HasSuffix(path, "libc.so.6") || strings.Contains(path, "ld-musl")
		if found = slices.Compact(found); c != slices.Equal(found, []int{9, 10, 11}) || !c && found != nil {
			t.Errorf("%s: %d", path, found)
		}
	}
}
