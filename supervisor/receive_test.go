package supervisor

import (
	"testing"

	"github.com/sysreflect/sysreflect/policy"
)

// An exec is put off only where enough others are served for one of those who serve them to take it:
// that threads are still starting, or busy with other calls, is no reason.
func TestPutOffExecsAreTaken(t *testing.T) {
	r := newRun(&policy.Plan{})
	r.receivers.Store(maxReceivers)
	for i := range maxReceivers - 1 {
		if !r.engage(&notification{id: uint64(i)}) {
			t.Fatalf("exec %d of %d is put off, and nobody would take it", i, maxReceivers-1)
		}
	}
	for id := range uint64(3) {
		if r.engage(&notification{id: 100 + id}) {
			t.Fatal("no receiver is left for what handoffs wait for")
		}
	}
	for id := range uint64(3) {
		var n notification
		if !r.next(&n) || n.id != 100+id {
			t.Fatalf("took exec %d, want %d", n.id, 100+id)
		}
	}
	for range maxReceivers - 1 {
		if r.next(&notification{}) {
			t.Fatal("an exec too many")
		}
	}
	if r.engaged != 0 || !r.engage(&notification{}) {
		t.Errorf("%d receivers engaged after the last exec", r.engaged)
	}
}
