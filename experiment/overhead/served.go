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
		if served, err := b.countCalls(c); err == nil {
			c.served = served
		} else {
			b.run.Notes = append(b.run.Notes, "who serves calls under "+c.name+" was not counted: "+err.Error())
		}
	}
}

// theKernel serves what comes from the program to the shim, and is a system call all the same.
const theKernel = "the kernel"

// countCalls returns what served most of each call: a mechanism, or the kernel.
func (b *bench) countCalls(c *contestant) (map[string]string, error) {
	report, err := meter.Memory("stats", nil)
	if err != nil {
		return nil, err
	}
	defer report.Close()
	argv := []string{c.argv[0], "run", "--stats=json", "--stats-file=/proc/self/fd/4"}
	m, err := meter.Start(c.name, append(argv, c.argv[2:]...), c.env, append([]*os.File{c.files[0]}, report)...)
	if err != nil {
		return nil, err
	}
	for _, w := range []meter.Way{meter.Getppid, meter.Getuid, meter.Getrandom, meter.ClockGettime} {
		if _, _, err := m.Window(w, 100, 16); err != nil {
			m.Close()
			return nil, err
		}
	}
	m.Close() // writes the report
	var counted supervisor.Counters
	if _, err := report.Seek(0, 0); err != nil {
		return nil, err
	}
	if err := json.NewDecoder(report).Decode(&counted); err != nil {
		return nil, err
	}
	served, most := map[string]string{}, map[string]uint64{}
	for _, k := range counted.Calls {
		if k.Count > most[k.Call] && k.Mechanism != "vdso" {
			served[k.Call], most[k.Call] = k.Mechanism, k.Count
			if k.Implementation == "kernel" && !elsewhereBy(k.Mechanism) {
				served[k.Call] = theKernel
			}
		}
	}
	return served, nil
}
