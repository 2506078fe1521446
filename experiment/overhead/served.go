package overhead

import (
	"context"
	"encoding/json"
	"os"

	"github.com/sysreflect/sysreflect/experiment/meter"
	"github.com/sysreflect/sysreflect/supervisor"
)

// learnWhoServes finds out by counting who serves each call of a contestant: what
// the policy asks for is not what every call can have. It is done in a run of its
// own, since counting takes time.
func (b *bench) learnWhoServes(ctx context.Context) {
	for _, c := range b.contestants {
		if c.mechanism == "" || c.placed || ctx.Err() != nil {
			continue
		}
		if served, kernels, err := b.countCalls(c); err == nil {
			c.served = served
			c.kernels = kernels
		} else {
			b.run.Notes = append(b.run.Notes, "who serves calls under "+c.name+" was not counted: "+err.Error())
		}
	}
}

// countCalls returns the mechanism that served most of each call, and which of them the
// kernel made all the same.
func (b *bench) countCalls(c *contestant) (served map[string]string, kernels map[string]bool, err error) {
	report, err := meter.Memory("stats", nil)
	if err != nil {
		return nil, nil, err
	}
	defer report.Close()
	argv := []string{c.argv[0], "run", "--stats=json", "--stats-file=/proc/self/fd/4"}
	m, err := meter.Start(c.name, append(argv, c.argv[2:]...), c.env, append([]*os.File{c.files[0]}, report)...)
	if err != nil {
		return nil, nil, err
	}
	for _, w := range []meter.Way{meter.Getppid, meter.Getuid, meter.Getrandom, meter.ClockGettime} {
		if _, _, err := m.Window(w, 100, 16); err != nil {
			m.Close()
			return nil, nil, err
		}
	}
	m.Close() // writes the report
	var counted supervisor.Counters
	if _, err := report.Seek(0, 0); err != nil {
		return nil, nil, err
	}
	if err := json.NewDecoder(report).Decode(&counted); err != nil {
		return nil, nil, err
	}
	served, kernels = map[string]string{}, map[string]bool{}
	most := map[string]uint64{}
	for _, k := range counted.Calls {
		if k.Count > most[k.Call] && k.Mechanism != "vdso" {
			served[k.Call], most[k.Call] = k.Mechanism, k.Count
			kernels[k.Call] = k.Implementation == "kernel"
		}
	}
	return served, kernels, nil
}
