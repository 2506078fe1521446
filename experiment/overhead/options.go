package overhead

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sysreflect/sysreflect/policy"
)

// Subjects are what can be measured alone, in the order of the output.
func Subjects() []string {
	return []string{"null", "passthrough", "getrandom", "time", "tax", "spawn", "memory"}
}

// Options say what to measure.
type Options struct {
	Reflect    string   // path of the reflect command
	Version    string   // of reflect
	Command    []string // what repeats this run
	Subjects   []string // nil for all
	Mechanisms []string // nil for all that are usable
	Bytes      []int    // lengths for getrandom; nil for 4 to 4096
	Threads    int      // 0 or 1: one, pinned
	// Free lets supervisors run where the kernel puts them; else they are kept on the
	// processor of the meters that they serve.
	Free bool
	// Time is about how long inner loops may take. 0 means that they end when all
	// figures are known within [Precision], or 48 seconds after the
	// run began, which takes less than a minute then.
	Time     time.Duration
	until    float64
	Progress func(share float64, what string)
}

// The lengths of requests for random bytes.
func defaultBytes() []int { return []int{4, 16, 64, 256, 1024, 4096} }

const defaultTime = 48 * time.Second

func (o *Options) complete() error {
	if o.Subjects == nil {
		o.Subjects = Subjects()
		if o.Threads > 1 {
			o.Subjects = []string{"null", "passthrough", "getrandom", "time"}
		}
	}
	for _, s := range o.Subjects {
		if !slices.Contains(Subjects(), s) {
			return fmt.Errorf("unknown subject %q; there are %s", s, strings.Join(Subjects(), ", "))
		}
	}
	for _, m := range o.Mechanisms {
		if !slices.Contains(policy.Mechanisms(), m) || m == "auto" {
			return fmt.Errorf("unknown mechanism %q", m)
		}
	}
	if o.Threads > 1 && !slices.ContainsFunc(o.Subjects, func(s string) bool { return s != "spawn" && s != "tax" }) {
		return fmt.Errorf("%s is measured with one thread only", strings.Join(o.Subjects, ", "))
	}
	if o.Bytes == nil {
		o.Bytes = defaultBytes()
		if o.Threads > 1 {
			o.Bytes = []int{16, 256}
		}
	}
	if o.Time == 0 {
		o.Time, o.until = defaultTime, stopWithin*Precision
	}
	if o.Threads < 0 || o.Threads > MaxThreads {
		return fmt.Errorf("%d threads: at most %d", o.Threads, MaxThreads)
	}
	if o.Progress == nil {
		o.Progress = func(float64, string) {}
	}
	return nil
}

// MaxThreads is how many threads a meter can have.
const MaxThreads = 256

func (o *Options) wants(subject string) bool { return slices.Contains(o.Subjects, subject) }
