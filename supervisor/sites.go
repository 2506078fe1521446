package supervisor

import (
	"errors"
	"strconv"

	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/reflect/patch"
	"github.com/sysreflect/sysreflect/reflect/site"
)

// A Site is one system call instruction of the programs of a run, over all
// processes that made reflected calls there.
type Site struct {
	// Module is the file, by its path in the program; "" for code that is from
	// no file.
	Module string `json:"module"`
	// Offset is the instruction's address as the file is linked; where there is
	// no file, its address in memory.
	Offset uint64 `json:"offset"`
	// Function is the one that it stands in, "" if no table says.
	Function string `json:"function,omitempty"`
	// Calls are the calls that were made there.
	Calls []string `json:"calls"`
	// Shape is how the patched site jumps; "" while it was patched nowhere.
	Shape string `json:"shape,omitempty"`
	// Processes is how many processes it was patched in.
	Processes uint64 `json:"processes"`
	// Notified is how many calls the supervisor was asked about, Patched how many
	// came into the shim by the patch.
	Notified uint64 `json:"notified"`
	// Trapped is how many a handler of SIGSYS in the program served, where the rule's
	// base is trap.
	Trapped uint64 `json:"trapped"`
	Patched uint64 `json:"patched"`
	// Why says why it was not patched, where it was not; the last reason.
	Why string `json:"why,omitempty"`
}

// sites are the sites of reflected calls, in the order in which they were met.
func (r *run) sites() []Site {
	if r.patching == nil || !r.patching.follow {
		return nil
	}
	counts := r.region.siteCounts()
	out := []Site{}
	for _, s := range r.patching.patcher.Sites() {
		row := Site{
			Module: s.Module, Offset: s.Offset, Function: s.Function, Shape: s.Shape,
			Processes: s.Patched, Notified: s.Notified, Trapped: s.Trapped,
		}
		for _, nr := range s.Calls {
			name, ok := policy.Name(nr)
			if !ok {
				name = strconv.Itoa(nr)
			}
			row.Calls = append(row.Calls, name)
		}
		if s.Counter > 0 && s.Counter < len(counts) {
			row.Patched = counts[s.Counter]
			row.Trapped += counts[patch.TrapCounters+s.Counter]
		}
		if s.Err != nil && s.Patched == 0 {
			row.Why = s.Err.Error()
			if refused := (*site.Refusal)(nil); errors.As(s.Err, &refused) {
				row.Why = refused.Why() // which site stands beside it
			}
		}
		out = append(out, row)
	}
	return out
}
