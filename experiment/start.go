package experiment

import (
	"context"
	"os/exec"
	"path/filepath"
)

const trueProgram = "/bin/true"

// Start compares `reflect run -- /bin/true` with doing without, and with other
// tools that stand between a program and the kernel.
func (b *Bench) Start(ctx context.Context) (*Table, error) {
	rounds := b.rounds(200)
	t := &Table{Key: "Start", Title: "start-up: a program that does nothing", Unit: Milliseconds,
		How: "launched by vfork and exec until waited for; a shuffled round each; not pinned"}
	var programs [][]string
	add := func(key, name string, argv ...string) *Series {
		programs = append(programs, argv)
		return t.row(key, name)
	}
	t.Base = add("native", trueProgram, trueProgram)
	ours := add("reflect", "reflect run -- "+trueProgram, b.reflect, "run", "--", trueProgram)
	t.Claims = []Claim{{Text: "at most 2.0 ms over native", Of: ours, Against: t.Base, Limit: 2e6}}
	for _, tool := range [][]string{
		{"bwrap", "--ro-bind", "/", "/", trueProgram},
		{"strace", "-f", "-o", "/dev/null", trueProgram},
	} {
		path, err := exec.LookPath(tool[0])
		if err == nil {
			path, err = filepath.Abs(path)
		}
		if err == nil {
			argv := append([]string{path}, tool[1:]...)
			_, err = b.launch(ctx, nil, 1, argv)
		}
		if err != nil {
			t.Notes = append(t.Notes, "not measured: "+err.Error())
			continue
		}
		s := add(tool[0], describe(tool), append([]string{path}, tool[1:]...)...)
		if tool[0] == "bwrap" {
			t.Claims = append(t.Claims, Claim{Text: "below bwrap", Of: ours, Against: s})
		}
	}
	add("empty-go", "an empty Go program", b.path("empty"))
	add("handoff", "a filter and one handoff in C", b.path("handoff"), trueProgram)
	t.Again = add("native-again", trueProgram+", again", trueProgram)

	runs, err := b.launch(ctx, nil, rounds, programs...)
	if err != nil {
		return nil, err
	}
	for i, s := range t.Rows {
		var cpu []float64
		for _, r := range runs[i] {
			s.add(r.wall)
			cpu = append(cpu, r.cpu)
		}
		s.CPU = median(cpu)
	}
	return t, nil
}

// rounds is how often something is repeated.
func (b *Bench) rounds(n int) int {
	if b.Quick {
		return max(3, n/20)
	}
	return n
}
