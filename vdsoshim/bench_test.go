package vdsoshim

import "testing"

// BenchmarkComplete is what a launch pays for the image.
func BenchmarkComplete(b *testing.B) {
	_, data, err := Kernel()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		kernel, err := Parse(data)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Complete(Options{Kernel: kernel, Bind: everything(Shim), Count: true}); err != nil {
			b.Fatal(err)
		}
	}
}
