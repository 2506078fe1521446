package policy_test

import (
	"errors"
	"fmt"
	"os"

	"github.com/sysreflect/sysreflect/policy"
	"golang.org/x/sys/unix"
)

func Example() {
	plan, err := policy.New().
		Shim("getrandom").
		Errno("openat", unix.ENOENT, policy.Arg(2).Masked(unix.O_CREAT, 0)).
		Deny("@io-uring").
		Plan()
	if err != nil {
		fmt.Println(err)
		return
	}
	nr, _ := policy.Number("openat")
	for _, flags := range []uint64{unix.O_RDONLY, unix.O_CREAT} {
		if r := plan.Match(nr, &[6]uint64{2: flags}); r != nil {
			fmt.Println(r.Name, r.Action)
		} else {
			fmt.Println("openat", plan.Default)
		}
	}
	fmt.Println("getrandom", plan.Binding("getrandom"), "time", plan.Binding("time"))
	// Output:
	// openat errno ENOENT
	// openat allow
	// getrandom shim time forward
}

func ExampleLoad() {
	plan, err := policy.Load("default", "no-random")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, call := range []string{"getrandom", "time"} {
		nr, _ := policy.Number(call)
		r := plan.Match(nr, &[6]uint64{})
		fmt.Println(call, r.Action, r.Pos)
	}
	// Output:
	// getrandom errno ENOSYS preset no-random:6:5
	// time shim preset default:7:5
}

func ExampleParse() {
	_, err := policy.Parse("mine.yaml", []byte("version: 1\nrules:\n  - calls: getrandmo\n    do: shim\n"))
	_ = policy.Report(os.Stdout, err)
	// Output:
	// mine.yaml:3:12: unknown system call "getrandmo"
	//     3 |   - calls: getrandmo
	//       |            ^
	//   hint: did you mean getrandom?
}

func ExampleMerge() {
	preset, err := policy.Open("default")
	if err != nil {
		fmt.Println(err)
		return
	}
	mine, err := policy.New().Go("getrandom", "fixed").Policy()
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, err := policy.Merge(preset, mine)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = policy.Explain(os.Stdout, plan, "@random", "getcpu")
	// Output:
	// CALL       WHEN  MEETS     MECHANISM  VDSO FUNCTION   SYSTEM CALL                                          WHY
	// getrandom  -     go fixed  auto       makes the call  supervisor                                           a rule built in Go
	// getcpu     -     shim      auto       shim            kernel, via the shim where patched, else supervisor  preset default:7:5
}

func ExamplePlan_WithMechanism() {
	plan, err := policy.Load()
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := policy.ParseMechanism("notify")
	if err != nil {
		fmt.Println(err)
		return
	}
	if plan, err = plan.WithMechanism(m); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(plan.Binding("getrandom"))
	_, err = policy.ParseMechanism("ptrase")
	fmt.Println(err, errors.Is(err, policy.ErrUnknown))
	// Output:
	// stub
	// unknown mechanism "ptrase" true
}
