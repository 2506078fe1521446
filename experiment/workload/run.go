package workload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sysreflect/sysreflect/experiment/machine"
	"github.com/sysreflect/sysreflect/experiment/results"
	"github.com/sysreflect/sysreflect/policy"
)

// Options say what to measure.
type Options struct {
	Reflect string   // path of the reflect command
	Version string   // of reflect
	Command []string // what repeats this run

	Choice
	Schedule
	Name       string      // what the program is called in results; "" for its command line
	Parameters []Parameter // {NAME} in Args, Setup, Prepare and Cleanup
	// Find returns the path of the program that args[0] names.
	Find func(name string) (string, error)
	// Program is run: Args, and what stands around it. Self and Path are set here.
	Program Command
	Input   string // file for its standard input; "" for nothing
}

// NoiseHow says what the noise of programs is.
const NoiseHow = "the native program against itself: the farthest that their ratio's 95 % interval goes from 1"

// Run measures a program, for each combination of its parameters. When ctx ends it
// stops, and returns what it has.
func Run(ctx context.Context, o Options) (*results.Run, error) {
	run, finish := Begin(ctx, o.Version, o.Command)
	err := o.measure(ctx, run)
	finish()
	return run, err
}

func (o *Options) measure(ctx context.Context, run *results.Run) error {
	combinations, err := Combinations(o.Parameters)
	if err != nil {
		return err
	}
	if err := o.unused(); err != nil {
		return err
	}
	ways, left, err := o.Ways(ctx)
	if err != nil {
		return err
	}
	run.LeftOut = append(run.LeftOut, left...)
	o.setPolicy(run)
	for _, values := range combinations {
		if ctx.Err() != nil {
			break
		}
		if err := o.combination(ctx, run, ways, values); err != nil {
			return err
		}
	}
	return nil
}

// unused refuses a parameter that stands nowhere: all its values would measure the
// same.
func (o *Options) unused() error {
	text := strings.Join(append(slices.Clone(o.Program.Args), o.Program.Setup, o.Program.Prepare, o.Program.Cleanup), "\n")
	for _, p := range o.Parameters {
		if !strings.Contains(text, "{"+p.Name+"}") {
			return fmt.Errorf("parameter %s: {%s} stands nowhere in the command", p.Name, p.Name)
		}
	}
	return nil
}

func (o *Options) combination(ctx context.Context, run *results.Run, ways []Way, values map[string]string) (err error) {
	c := o.Program
	c.Self = o.Reflect
	c.Args = slices.Clone(c.Args)
	for _, s := range []*string{&c.Setup, &c.Prepare, &c.Cleanup} {
		*s = Substitute(*s, values)
	}
	for i := range c.Args {
		c.Args[i] = Substitute(c.Args[i], values)
	}
	if c.Path, err = o.Find(c.Args[0]); err != nil {
		return fmt.Errorf("%s: %w", c.Args[0], err)
	}
	if o.Input != "" {
		if c.Stdin, err = os.Open(o.Input); err != nil {
			return err
		}
		defer c.Stdin.Close()
	}
	name := o.Name
	if name == "" {
		name = strings.Join(o.Program.Args, " ")
	}
	if err := c.Open(ctx); err != nil {
		if ctx.Err() != nil {
			run.Interrupted = true
			return nil
		}
		return err
	}
	s := &Subject{Name: prefix + name, Params: values, Ways: ways, Once: c.Once, Count: c.Count}
	m, err := Measure(ctx, s, &o.Schedule)
	err = errors.Join(err, c.Close())
	m.Notes = append(m.Notes, c.Failures(ways)...)
	m.Into(run)
	return err
}

// Into adds what was measured to a run.
func (m *Measured) Into(run *results.Run) {
	figures := m.Figures()
	run.Figures = append(run.Figures, figures...)
	run.Interrupted = run.Interrupted || m.Interrupted
	for i, err := range m.Dropped {
		if err != nil {
			run.LeftOut = append(run.LeftOut, results.LeftOut{Subject: m.Subject.Name, Way: m.Subject.Ways[i].Name,
				Why: strings.TrimPrefix(err.Error(), m.Subject.Ways[i].Name+": ")})
		}
	}
	if run.Noise.By == nil {
		run.Noise.By = map[string]float64{}
	}
	for _, of := range []string{Wall, CPU} {
		noise, ok := Noise(figures, of)
		if !ok {
			continue
		}
		key := m.Subject.Name + " " + of
		run.Noise.By[key] = max(run.Noise.By[key], noise)
		if of == Wall {
			run.Noise.How = NoiseHow
			run.Noise.Value = max(run.Noise.Value, noise)
		}
	}
	for _, n := range m.Notes {
		if !slices.Contains(run.Notes, n) {
			run.Notes = append(run.Notes, n)
		}
	}
}

// Begin makes a run and looks at the machine; finish says what disturbed it since.
func Begin(ctx context.Context, version string, command []string) (run *results.Run, finish func()) {
	begin := time.Now()
	var load machine.Load
	load.Begin()
	time.Sleep(200 * time.Millisecond)
	busy, _ := load.Busy()
	run = &results.Run{Schema: results.Schema, Command: command, When: begin.UTC().Truncate(time.Second), Machine: machine.Describe(ctx, -1)}
	m := &run.Machine
	m.Reflect, m.Busy, m.Pinned = version, busy, "nothing"
	var watch machine.Watch
	watch.Begin()
	return run, func() {
		run.Seconds = time.Since(begin).Round(time.Millisecond).Seconds()
		run.Interrupted = run.Interrupted || ctx.Err() != nil
		m.Steal, m.Neighbours = watch.Steal(), watch.Neighbours()
		run.Notes = append(machine.Notes(m), run.Notes...)
	}
}

// setPolicy keeps what the mechanisms were to do.
func (c *Choice) setPolicy(run *results.Run) {
	var text strings.Builder
	names := c.Policies
	if len(names) == 0 {
		names = []string{"default"}
	}
	for _, name := range names {
		source, _, _ := policy.Source(name) // Ways has read it
		text.WriteString("# " + name + "\n")
		text.Write(source)
	}
	run.Machine.PolicyText, run.Machine.PolicyHash = text.String(), results.Fingerprint(text.String())
}
