package policy_test

import (
	"fmt"

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
