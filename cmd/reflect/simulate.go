//go:build linux && amd64

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/sysreflect/sysreflect/cmd/reflect/internal/cli"
	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/bpf"
	"github.com/sysreflect/sysreflect/policy"
)

// x32Bit marks a call of the x32 ABI in the number (__X32_SYSCALL_BIT).
const x32Bit = 0x40000000

// simulateFlags describe one call.
type simulateFlags struct {
	plan planFlags
	call string
	args [6]string
	ip   string
	arch string
}

func policySimulate() *cli.Command {
	var f simulateFlags
	cmd := &cli.Command{
		Use:   "simulate --call name",
		Short: "say what the filters answer to one call",
		Example: "  reflect policy simulate --call getrandom --arg1 16\n" +
			"  reflect policy simulate -p no-network --call socket --arg0 2\n" +
			"  reflect policy simulate --call getrandom --ip gate\n" +
			"  reflect policy simulate -p all-calls --call read --ip stub",
		Args: cli.NoArgs,
		Run:  func(*cli.Command, []string) error { return f.simulate() },
	}
	f.plan.register(cmd)
	flags := &cmd.Flags
	flags.String(&f.call, "call", "", "", "the system call: `name` or number")
	for i := range f.args {
		flags.String(&f.args[i], fmt.Sprintf("arg%d", i), "", "0", fmt.Sprintf("argument %d, as a C `constant`", i))
	}
	flags.String(&f.ip, "ip", "", "0x401000", "where it ends: an `address`, gate or stub").Words("gate", "stub")
	flags.String(&f.arch, "arch", "", "x86-64", "the call's `ABI`: x86-64, x32 or i386").Words("x86-64", "x32", "i386")
	return cmd
}

// data is the call as a filter sees it.
func (f *simulateFlags) data() (d bpf.Data, err error) {
	if f.call == "" {
		return d, hinted(errors.New("no call given"), "reflect policy simulate --call getrandom")
	}
	nr, err := callNumber(f.call)
	if err != nil {
		return d, err
	}
	d.Nr, d.Arch = int32(nr), unix.AUDIT_ARCH_X86_64
	switch f.arch {
	case "x86-64":
	case "x32":
		d.Nr |= x32Bit
	case "i386":
		d.Arch = unix.AUDIT_ARCH_I386
	default:
		return d, hinted(fmt.Errorf("unknown ABI %q", f.arch), "--arch x86-64, x32 or i386")
	}
	switch f.ip { // the kernel shows a filter the address after the instruction
	case "gate":
		d.IP = example.Gate + 2
	case "stub":
		d.IP = example.Stubs + 2
	default:
		if d.IP, err = constant(f.ip); err != nil {
			return d, hinted(fmt.Errorf("--ip: %w", err), "--ip gate, --ip stub, or an address")
		}
	}
	for i, s := range f.args {
		if d.Args[i], err = constant(s); err != nil {
			return d, fmt.Errorf("--arg%d: %w", i, err)
		}
	}
	return d, nil
}

// callNumber returns the number of one call.
func callNumber(word string) (int, error) {
	nrs, err := policy.Calls(word)
	if err == nil && len(nrs) != 1 {
		return 0, fmt.Errorf("%s names %d calls", word, len(nrs))
	} else if err != nil {
		return 0, err
	}
	return nrs[0], nil
}

// constant reads a register's value: unsigned, or negative as in C.
func constant(s string) (uint64, error) {
	if v, err := strconv.ParseUint(s, 0, 64); err == nil {
		return v, nil
	}
	if v, err := strconv.ParseInt(s, 0, 64); err == nil {
		return uint64(v), nil
	}
	return 0, fmt.Errorf("not a number of 64 bits: %q", s)
}

func (f *simulateFlags) simulate() error {
	d, err := f.data()
	if err != nil {
		return err
	}
	program, plan, err := f.plan.compile()
	if err != nil {
		return err
	}
	v := program.Simulate(d)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	nr := int(d.Nr &^ x32Bit)
	name, ok := policy.Name(nr)
	if !ok || d.Arch == unix.AUDIT_ARCH_I386 { // i386 has numbers of its own
		name = "number"
	}
	from := fmt.Sprintf("%#x", d.IP)
	if f.ip == "gate" || f.ip == "stub" {
		from = "the " + f.ip
	}
	fmt.Fprintf(w, "call\t%s %d (%s) from %s\n", name, nr, f.arch, from)
	if f.arch == "x86-64" {
		fmt.Fprintf(w, "rule\t%s\n", decides(plan, nr, &d.Args))
	}
	fmt.Fprintf(w, "verdict\t%s, by the %s filter\n", answer(v.Action, v.Data), v.Filter)
	fmt.Fprintf(w, "main\t%s\n", step(&v.Main))
	if v.Deny != nil {
		fmt.Fprintf(w, "deny\t%s\n", step(v.Deny))
	}
	cached := "no"
	if v.Cacheable {
		cached = "yes: the kernel answers without running a filter"
	}
	fmt.Fprintf(w, "cached\t%s\n", cached)
	return w.Flush()
}

// decides names the rule that a call meets.
func decides(plan *policy.Plan, nr int, args *[6]uint64) string {
	if r := plan.Match(nr, args); r != nil {
		return fmt.Sprintf("%v (%v)", r.Action, r.Pos)
	}
	return fmt.Sprintf("none: %v", plan.Default)
}

func answer(a bpf.Action, data uint16) string {
	if a == bpf.Errno {
		if data == 0 {
			return "ERRNO 0 (success)"
		}
		return fmt.Sprintf("ERRNO %d (%s)", data, unix.ErrnoName(unix.Errno(data)))
	}
	return a.String()
}

func step(s *bpf.Step) string {
	path := strings.Trim(fmt.Sprint(s.Path), "[]")
	return fmt.Sprintf("%s, %d instructions: %s", answer(s.Action, s.Data), len(s.Path), path)
}
