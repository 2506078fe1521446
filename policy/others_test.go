package policy

import (
	"encoding/json"
	"strings"
	"testing"
)

const dispatched = "rules: [{calls: getuid, mechanism: sud, do: {return: 1}}]\n"

func TestOthers(t *testing.T) {
	for _, c := range []struct {
		sources []string
		want    Others
		says    string // of the calls that no rule names
	}{
		{[]string{served}, OthersPatch, "but for the price of a filter"},
		{[]string{"sud: {others: signal}\n" + served}, OthersSignal, "but for the price of a filter"},
		{[]string{dispatched}, OthersPatch, "by sud, without a signal where their sites are patched"},
		{[]string{"sud: {others: patch}\n" + dispatched}, OthersPatch, "by sud, without a signal where their sites are patched"},
		{[]string{"sud:\n  others: signal\n" + dispatched}, OthersSignal, "by sud, from a signal handler's exit"},
		{[]string{"sud: {others: signal}\n", dispatched}, OthersSignal, "by sud, from a signal handler's exit"},
		{[]string{"sud: {others: signal}\n", "sud: {others: patch}\n" + dispatched}, OthersPatch, "by sud, without a signal where their sites are patched"},
	} {
		p := mustMerge(t, c.sources...)
		if p.Others != c.want {
			t.Errorf("%q: %v", c.sources, p.Others)
		}
		var b strings.Builder
		if err := Explain(&b, p); err != nil || !strings.Contains(b.String(), "other calls: the kernel's own, "+c.says+"\n") {
			t.Errorf("%q: %v\n%s", c.sources, err, b.String())
		}
	}
}

func TestOthersInGo(t *testing.T) {
	p, err := New().Others(OthersSignal).Plan()
	if err != nil || p.Others != OthersSignal {
		t.Errorf("%v, %v", p, err)
	}
	if _, err := New().Others(7).Plan(); err == nil || err.Error() != "unknown others(7)" {
		t.Error(err)
	}
	// A plan goes to a successor as JSON.
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var q Plan
	if err := json.Unmarshal(b, &q); err != nil || q.Others != OthersSignal {
		t.Errorf("%v, %v", q.Others, err)
	}
}

func TestMovable(t *testing.T) {
	for nr := range PatchNumbers {
		name, named := Name(nr)
		if want := named && !neverPatched(nr); Movable(nr) != want {
			t.Errorf("%d %s: %t", nr, name, !want)
		}
	}
	if Movable(-1) || Movable(PatchNumbers) || Movable(511) {
		t.Error("numbers without a call")
	}
}
