//go:build linux && amd64

package main

import "testing"

func TestJudgeRNG(t *testing.T) {
	for _, tt := range []struct {
		name            string
		usable, correct bool
		status          int
	}{
		{"right", true, true, 0},
		{"wrong", true, false, statusNo},
		{"unusable", false, false, 0},
	} {
		results := []rngResult{{Usable: true, Correct: true}, {Usable: tt.usable, Correct: tt.correct, Error: "differs"}}
		if got := report(judgeRNG(results)); got != tt.status {
			t.Errorf("%s: exit status %d, not %d", tt.name, got, tt.status)
		}
	}
}
