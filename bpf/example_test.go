package bpf_test

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/bpf"
	"github.com/sysreflect/sysreflect/policy"
)

func ExampleCompile() {
	plan, err := policy.New().Shim("getrandom").Deny("ptrace").Plan()
	if err != nil {
		fmt.Println(err)
		return
	}
	const gate = 0x110040
	prog, err := bpf.Compile(plan, bpf.Exempt{Gate: gate})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range []bpf.Data{
		{Nr: unix.SYS_READ},
		{Nr: unix.SYS_GETRANDOM},
		{Nr: unix.SYS_GETRANDOM, IP: gate + 2},
		{Nr: unix.SYS_PTRACE, IP: gate + 2},
	} {
		d.Arch = unix.AUDIT_ARCH_X86_64
		v := prog.Simulate(d)
		name, _ := policy.Name(int(d.Nr))
		fmt.Println(name, v.Filter, v.Action, v.Cacheable)
	}
	// Output:
	// read main ALLOW true
	// getrandom main USER_NOTIF false
	// getrandom main ALLOW false
	// ptrace deny ERRNO false
}
