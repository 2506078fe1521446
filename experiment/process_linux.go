package experiment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/sysreflect/sysreflect/experiment/machine"
)

// anywhere as a processor means: not pinned.
const anywhere = machine.Anywhere

// numbers runs a command and returns the numbers that each line of its output
// consists of.
func (b *Bench) numbers(ctx context.Context, cpu int, argv ...string) ([][]float64, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := machine.StartOn(cmd, cpu)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", describe(argv), err, strings.TrimSpace(errs.String()))
	}
	lines, err := parse(out.String())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", describe(argv), err)
	}
	return lines, nil
}

func describe(argv []string) string {
	return strings.Join(append([]string{filepath.Base(argv[0])}, argv[1:]...), " ")
}

func parse(out string) (lines [][]float64, err error) {
	for line := range strings.Lines(out) {
		var numbers []float64
		for field := range strings.FieldsSeq(line) {
			v, err := strconv.ParseFloat(field, 64)
			if err != nil {
				return nil, fmt.Errorf("not a number in %q", line)
			}
			numbers = append(numbers, v)
		}
		lines = append(lines, numbers)
	}
	if len(lines) == 0 {
		return nil, errors.New("printed nothing")
	}
	return lines, nil
}

// probe runs the inner loop, under the command that prefix is, and returns
// nanoseconds per call for each window.
func (b *Bench) probe(ctx context.Context, cpu int, call string, windows, calls int, prefix ...string) ([]float64, error) {
	argv := append(prefix[:len(prefix):len(prefix)], b.path("probe"), call, strconv.Itoa(windows), strconv.Itoa(calls))
	return b.column(ctx, cpu, argv...)
}

// column runs a command and returns the first number of each line.
func (b *Bench) column(ctx context.Context, cpu int, argv ...string) ([]float64, error) {
	lines, err := b.numbers(ctx, cpu, argv...)
	if err != nil {
		return nil, err
	}
	values := make([]float64, len(lines))
	for i, l := range lines {
		values[i] = l[0]
	}
	return values, nil
}

// A timing is what launch prints of one run, in nanoseconds.
type timing struct{ wall, cpu float64 }

// launch times whole programs and returns, for each, its runs in order.
func (b *Bench) launch(ctx context.Context, prefix []string, rounds int, programs ...[]string) ([][]timing, error) {
	argv := append(prefix[:len(prefix):len(prefix)], b.path("launch"), strconv.Itoa(rounds))
	for i, p := range programs {
		if i > 0 {
			argv = append(argv, "::")
		}
		argv = append(argv, p...)
	}
	lines, err := b.numbers(ctx, anywhere, argv...)
	if err != nil {
		return nil, err
	}
	runs := make([][]timing, len(programs))
	for _, l := range lines {
		if len(l) != 4 || int(l[1]) >= len(runs) {
			return nil, fmt.Errorf("launch printed %v", l)
		}
		runs[int(l[1])] = append(runs[int(l[1])], timing{l[2], 1000 * l[3]})
	}
	return runs, nil
}
