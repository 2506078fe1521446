package overhead

import (
	"fmt"
	"math"

	"github.com/sysreflect/sysreflect/experiment/results"
)

// Disagree compares two runs of the same and says where they differ by more than
// chance and both runs' noise explain. A figure with a baseline is compared by its
// ratio to that, round by round, since that is what a run is about: how fast the
// machine is may change from run to run. Where a figure follows that more, or less, than its
// baseline does, the ratio changes with it, and is granted as much.
func Disagree(a, b *results.Run) (differences []string) {
	var all []results.Comparison
	pace := paces(a, b)
	for i := range b.Figures {
		after := &b.Figures[i]
		before := a.Find(after.Subject, after.Way, after.Params)
		if before == nil || after.Subject == harness || after.Subject == "memory" {
			continue
		}
		x, y := relative(a, before), relative(b, after)
		if x == nil || y == nil {
			continue
		}
		// Sessions of one run tell how far apart runs may be; a few of them don't tell
		// exactly, so twice that is granted.
		noise := max(a.Noise.Of(after.Subject), b.Noise.Of(after.Subject), 2*(x.Spread()+y.Spread())+pace*math.Abs(after.Follows-b.BaselineOf(after).Follows))
		all = append(all, results.Compare(y, x, noise))
	}
	results.Holm(all)
	for _, c := range all {
		if !c.Significant() {
			continue
		}
		differences = append(differences, fmt.Sprintf("%s: %s times native in the second run, %s in the first (noise %s)",
			c.Figure.Key(), number(c.Figure.Summary().Median), number(c.Baseline.Summary().Median), percent(c.Noise)))
	}
	return differences
}

// paces is how far apart the machine's paces were in two runs: how far native calls lie
// apart, by as much as they follow it, or what each run knows of its own pace.
func paces(a, b *results.Run) float64 {
	var apart []float64
	for i := range b.Figures {
		f := &b.Figures[i]
		if f.Way != native || f.Follows < 0.2 {
			continue
		}
		if old := a.Find(f.Subject, f.Way, f.Params); old != nil && old.Follows != 0 {
			apart = append(apart, math.Log(f.Summary().Median/old.Summary().Median)/f.Follows)
		}
	}
	known := math.Hypot(a.Noise.Pace, b.Noise.Pace)
	if len(apart) == 0 {
		return known
	}
	return max(known, math.Abs(results.Summarize(apart).Median))
}

// relative is a figure over its baseline, round by round; nil where it has none
// that was measured in the same rounds.
func relative(r *results.Run, f *results.Figure) *results.Figure {
	base := r.BaselineOf(f)
	if base == nil || base.Group != f.Group {
		return nil
	}
	out := &results.Figure{Subject: f.Subject, Way: f.Way, Params: f.Params, Mean: f.Mean}
	for i := range min(len(f.Samples), len(base.Samples)) {
		out.Samples = append(out.Samples, f.Samples[i]/base.Samples[i])
	}
	told := base.Summary().Median
	for i := range min(len(f.Sessions), len(base.Sessions)) {
		of := base.Sessions[i]
		if out.Mean { // not of the same rounds
			of = told
		}
		out.Sessions = append(out.Sessions, f.Sessions[i]/of)
	}
	return out
}
