package site

import (
	"os"
	"testing"
)

// BenchmarkAnalyze is one site after the other of the C library, whose tables
// have been read.
func BenchmarkAnalyze(b *testing.B) {
	f := open(b, "/lib/x86_64-linux-gnu/libc.so.6")
	sites := f.Sites()
	for i := 0; b.Loop(); i++ {
		if p, err := f.Analyze(sites[i%len(sites)]); err == nil && len(p.Options) == 0 {
			b.Fatal("no options")
		}
	}
}

// BenchmarkFirst is what a file costs before its first plan: headers, symbols.
func BenchmarkFirst(b *testing.B) {
	data, err := os.ReadFile("/lib/x86_64-linux-gnu/libc.so.6")
	if err != nil {
		b.Fatal(err)
	}
	f, err := Parse(data)
	if err != nil {
		b.Fatal(err)
	}
	site := f.Sites()[0]
	for b.Loop() {
		f, err := Parse(data)
		if err != nil {
			b.Fatal(err)
		}
		f.Analyze(site)
	}
}
