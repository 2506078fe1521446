//go:build linux && amd64

package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/sysreflect/sysreflect/cmd/reflect/internal/cli"

	"github.com/sysreflect/sysreflect/bpf"
	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/reflect"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

func policyCommand() *cli.Command {
	return group(&cli.Command{
		Use:   "policy",
		Short: "list, check and explain policies",
	}, policyList(), policyShow(), policyCheck(), policyExplain(), policyDisasm(), policySimulate())
}

func policyList() *cli.Command {
	return &cli.Command{
		Use:   "list",
		Short: "list the policies that come with reflect",
		Args:  cli.NoArgs,
		Run: func(*cli.Command, []string) error {
			presets := policy.Presets()
			width := 0
			for _, p := range presets {
				width = max(width, len(p.Name))
			}
			w := bufio.NewWriter(os.Stdout)
			for _, p := range presets {
				fmt.Fprintf(w, "%-*s  %s\n", width, p.Name, strings.Join(strings.Fields(p.Description), " "))
			}
			return w.Flush()
		},
	}
}

func policyShow() *cli.Command {
	return &cli.Command{
		Use:      "show source",
		Short:    "print a policy's text",
		Args:     sources,
		Complete: completePolicies,
		Run: func(_ *cli.Command, args []string) error {
			for _, source := range args {
				text, _, err := policy.Source(source)
				if err != nil {
					return err
				}
				if _, err := os.Stdout.Write(text); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func policyCheck() *cli.Command {
	var mechanism string
	cmd := &cli.Command{
		Use:   "check source...",
		Short: "look for mistakes in policies",
		Long: "Check reads policies, lays them over each other, and prints on standard error all that is\n" +
			"wrong with them or may surprise. It prints nothing and succeeds where nothing is wrong.",
		Args:     sources,
		Complete: completePolicies,
		Run: func(_ *cli.Command, args []string) error {
			plan, err := loadPlan(args, mechanism)
			if err != nil {
				policy.Report(os.Stderr, err)
				return statusError(statusOurs)
			}
			for _, w := range plan.Warnings {
				warn(w.String())
			}
			for i := range plan.Rules {
				a := plan.Rules[i].Action
				if _, ok := reflect.Builtin(a.Handler); a.Kind == policy.Go && !ok {
					warn(fmt.Sprintf("%v: reflect run has no handler %q: this policy is for a program that registers one in Go", plan.Rules[i].Pos, a.Handler))
				}
			}
			// What only the filter can tell: a plan can be too large for one.
			_, err = bpf.Compile(plan, example)
			return err
		},
	}
	cmd.Flags.String(&mechanism, "mechanism", "m", "", "`mechanism` of rules that name none: reflect help mechanisms").Words(policy.Mechanisms()...)
	return cmd
}

func policyExplain() *cli.Command {
	var f planFlags
	cmd := &cli.Command{
		Use:   "explain [call]...",
		Short: "say what calls meet under a policy, and why",
		Long: "Explain prints what each call (a name, a number or a set such as @time) meets under the\n" +
			"policy; without any, all calls that the policy has rules for.",
		Run: func(_ *cli.Command, args []string) error {
			plan, err := f.load()
			if err != nil {
				return err
			}
			return policy.Explain(os.Stdout, plan, args...)
		},
	}
	f.register(cmd)
	return cmd
}

func policyDisasm() *cli.Command {
	var f planFlags
	cmd := &cli.Command{
		Use:   "disasm",
		Short: "list the seccomp filters that a policy becomes",
		Args:  cli.NoArgs,
		Run: func(*cli.Command, []string) error {
			program, _, err := f.compile()
			if err != nil {
				return err
			}
			return program.Disassemble(os.Stdout)
		},
	}
	f.register(cmd)
	return cmd
}

// example is where listings and simulations say that gate and stubs stand. In a
// run their pages are chosen at random.
var example = bpf.Exempt{Gate: 0x10000 + vdsoshim.GateOff, Stubs: 0x100000, StubsEnd: 0x140000}

func (f *planFlags) compile() (*bpf.Program, *policy.Plan, error) {
	plan, err := f.load()
	if err != nil {
		return nil, nil, err
	}
	program, err := bpf.Compile(plan, example)
	return program, plan, err
}

// sources checks that arguments name policies.
func sources(cmd *cli.Command, args []string) error {
	if len(args) == 0 {
		return hinted(errors.New("no policy given"), cmd.Path()+" NAME, or ./FILE; reflect policy list shows the names")
	}
	return nil
}
