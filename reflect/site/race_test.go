//go:build race

package site

// The race detector makes decoding ten times slower, and finds what it looks
// for in a part of it.
func init() { maxListed, executeEvery = 256<<10, 5 }
