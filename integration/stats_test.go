package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// counters is what `reflect run --stats=json` writes: supervisor.Counters, read
// without the package so that a change of the names is noticed.
type counters struct {
	Calls []struct {
		Call           string `json:"call"`
		Implementation string `json:"implementation"`
		Mechanism      string `json:"mechanism"`
		Count          uint64 `json:"count"`
		Errors         uint64 `json:"errors"`
	} `json:"calls"`
	Sites []struct {
		Calls   []string `json:"calls"`
		Trapped uint64   `json:"trapped"`
		Patched uint64   `json:"patched"`
	} `json:"sites"`
	Programs uint64 `json:"programs"`
	Execs    uint64 `json:"execs"`
	Missed   []struct {
		Reason string `json:"reason"`
		Count  uint64 `json:"count"`
	} `json:"missed"`
}

// of sums what was counted for a call by one mechanism.
func (c *counters) of(call, mechanism string) (count, errors uint64) {
	for _, k := range c.Calls {
		if k.Call == call && k.Mechanism == mechanism {
			count += k.Count
			errors += k.Errors
		}
	}
	return count, errors
}

// calls sums a call that a program made by itself: notified, or from a patched site.
func (c *counters) calls(call string) uint64 {
	notified, _ := c.of(call, "notify")
	patched, _ := c.of(call, "patch")
	return notified + patched
}

// count runs p under reflect with statistics, and returns them with the outcome.
func (p program) count(t *testing.T) (counters, outcome) {
	t.Helper()
	file := filepath.Join(scratch, "stats-"+time.Now().Format("150405.000000000"))
	must(t, os.WriteFile(file, nil, 0o666))
	must(t, os.Chmod(file, 0o666))
	defer os.Remove(file)
	o := p.run(t, underReflect(append([]string{"--stats=json", "--stats-file", file}, p.flags...), p.argv...))
	raw, err := os.ReadFile(file)
	must(t, err)
	var c counters
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatalf("statistics: %v\n%s", err, raw)
	}
	return c, o
}

// reachedAll fails the test where something could not be reflected.
func (c *counters) reachedAll(t *testing.T) {
	t.Helper()
	for _, m := range c.Missed {
		t.Errorf("missed %d times: %s", m.Count, m.Reason)
	}
}
