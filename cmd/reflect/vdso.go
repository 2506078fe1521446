//go:build linux && amd64

package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/sysreflect/sysreflect/cmd/reflect/internal/cli"
	"github.com/sysreflect/sysreflect/internal/elf"

	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

func vdsoCommand() *cli.Command {
	var plan planFlags
	var dump, which string
	cmd := &cli.Command{
		Use:   "vdso",
		Short: "print the symbols of the kernel's vDSO and of reflect's",
		Long: "Vdso prints what the running kernel's vDSO exports beside what the image exports that\n" +
			"reflect puts in its place under the policy, and what each function of that leads to.",
		Args: cli.NoArgs,
		Run: func(*cli.Command, []string) error {
			p, err := plan.load()
			if err != nil {
				return err
			}
			kernel, kernelBytes, err := vdsoshim.Kernel()
			if err != nil {
				return err
			}
			built, err := vdsoshim.Complete(vdsoshim.Options{Kernel: kernel, Bind: binding(p)})
			if err != nil {
				return err
			}
			if dump != "" {
				switch which {
				case "kernel":
					return writeFile(dump, kernelBytes)
				case "reflect":
					return writeFile(dump, built.Bytes)
				}
				return hinted(fmt.Errorf("unknown image %q", which), "--image kernel or --image reflect")
			}
			ours, err := vdsoshim.Parse(built.Bytes)
			if err != nil {
				return err
			}
			return printSymbols(p, kernel, ours)
		},
	}
	plan.register(cmd)
	cmd.Flags.String(&dump, "dump", "", "", "write an image to `file` (- is standard output)")
	cmd.Flags.String(&which, "image", "", "kernel", "the `image` that --dump writes: kernel or reflect").Words("kernel", "reflect")
	return cmd
}

// binding tells the image what the plan makes of a call's function.
func binding(p *policy.Plan) func(string) vdsoshim.Binding {
	return func(call string) vdsoshim.Binding {
		switch p.Binding(call) {
		case policy.BindShim:
			return vdsoshim.Shim
		case policy.BindStub:
			return vdsoshim.Stub
		}
		return vdsoshim.Forward
	}
}

func printSymbols(p *policy.Plan, kernel, ours *vdsoshim.Image) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SYMBOL\tVERSION\tBIND\tKERNEL SIZE\tREFLECT SIZE\tLEADS TO")
	symbols := ours.Symbols()
	slices.SortFunc(symbols, func(a, b vdsoshim.Symbol) int { return strings.Compare(a.Name, b.Name) })
	for _, s := range symbols {
		size := "-"
		if k, ok := kernel.Lookup(s.Name, s.Version); ok {
			size = fmt.Sprint(k.Size)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", s.Name, orDash(s.Version), bindWord(s), size, s.Size, leadsTo(p, s))
	}
	for _, k := range kernel.Symbols() {
		if _, ok := ours.Lookup(k.Name, k.Version); !ok {
			return errors.New("reflect's image lacks " + k.Name + " of the kernel's vDSO")
		}
	}
	return w.Flush()
}

func bindWord(s vdsoshim.Symbol) string {
	return strings.ToLower(strings.TrimPrefix(s.Bind.String(), "STB_"))
}

// leadsTo says in a few words what a function of our image does.
func leadsTo(p *policy.Plan, s vdsoshim.Symbol) string {
	call, _, known := vdsoshim.CallOf(s.Name)
	switch {
	case s.Section == elf.SHN_ABS:
		return "-" // the name of a version
	case s.Name == vdsoshim.Generation && s.Type == elf.STT_OBJECT:
		return "the control page"
	case !known:
		return "the kernel's vDSO"
	}
	switch p.Binding(call) {
	case policy.BindStub:
		return "the system call, for the filter to decide"
	case policy.BindShim:
		if call == "getrandom" {
			return "the shim's own function"
		}
		return "the kernel's vDSO, by the shim"
	}
	return "the kernel's vDSO"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
