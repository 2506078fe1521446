//go:build libseccomp && cgo

package bpf

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"

	libseccomp "github.com/seccomp/libseccomp-golang"
	netbpf "golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
)

// libseccomp can't test the instruction pointer, knows no order between the
// rules of a call, and tests an argument once in a rule. So it compiles
// architecture, x32 bit, numbers and conditions with stand-ins for answers,
// RET_TRACE with an index, which are then replaced by jumps to our code: the
// next rule, or the test of the pointer.

// HaveLibseccomp reports whether CompileLibseccomp is built in.
const HaveLibseccomp = true

// CompileLibseccomp is Compile by libseccomp. The answers are those of
// Compile, but for number -1, to which libseccomp applies the default.
func CompileLibseccomp(p *policy.Plan, x Exempt) (*Program, error) {
	return compile(p, x, kind.compileLibseccomp)
}

func (k kind) compileLibseccomp(p *policy.Plan, x Exempt) ([]netbpf.RawInstruction, error) {
	other, err := k.byDefault(p)
	if err != nil {
		return nil, err
	}
	a := assembler{exempt: x}
	t := &targets{a.answer(other)}
	f, err := libseccomp.NewFilter(standIn(0))
	if err != nil {
		return nil, libseccompError(err)
	}
	defer f.Release()
	if err := f.SetBadArchAction(t.action(a.answer(foreign(p)))); err != nil {
		return nil, libseccompError(err)
	}
	if err := f.SetOptimize(2); err != nil { // a binary tree of numbers
		return nil, libseccompError(err)
	}
	err = eachBody(k, p, other, x, func(nr int, b body) error {
		to, err := a.body(nr, b, testLibseccomp)
		if err != nil {
			return err
		}
		act := t.action(to)
		if act == standIn(0) {
			return nil // libseccomp refuses rules that say what the default says
		}
		return libseccompError(f.AddRuleExact(libseccomp.ScmpSyscall(nr), act))
	})
	if err != nil {
		return nil, err
	}
	prog, err := exported(f)
	if err != nil {
		return nil, err
	}
	a.link(prog, *t)
	return a.program(k)
}

// testLibseccomp is the tester of CompileLibseccomp.
func testLibseccomp(a *assembler, nr int, conds []policy.Cond, yes, no label) (label, error) {
	var group, rest []policy.Cond // group tests each argument once
	for _, c := range conds {
		if slices.ContainsFunc(group, func(g policy.Cond) bool { return g.Arg == c.Arg }) {
			rest = append(rest, c)
		} else {
			group = append(group, c)
		}
	}
	if len(rest) > 0 {
		var err error
		if yes, err = testLibseccomp(a, nr, rest, yes, no); err != nil {
			return 0, err
		}
	}
	if yes == no {
		return no, nil // libseccomp refuses rules that say what the default says
	}
	var list []libseccomp.ScmpCondition
	for _, c := range group {
		values := []uint64{c.Value}
		if c.Op == policy.MaskEqual {
			values = []uint64{c.Mask, c.Value}
		}
		sc, err := libseccomp.MakeCondition(uint(c.Arg), operators[c.Op], values...)
		if err != nil {
			return 0, libseccompError(err)
		}
		list = append(list, sc)
	}
	f, err := libseccomp.NewFilter(standIn(0))
	if err != nil {
		return 0, libseccompError(err)
	}
	defer f.Release()
	t := &targets{no}
	if err := f.SetBadArchAction(standIn(0)); err != nil {
		return 0, libseccompError(err)
	}
	if err := f.AddRuleConditionalExact(libseccomp.ScmpSyscall(nr), t.action(yes), list); err != nil {
		return 0, libseccompError(err)
	}
	prog, err := exported(f)
	if err != nil {
		return 0, err
	}
	return a.link(prog, *t), nil
}

var operators = map[policy.Op]libseccomp.ScmpCompareOp{
	policy.Equal:        libseccomp.CompareEqual,
	policy.NotEqual:     libseccomp.CompareNotEqual,
	policy.Less:         libseccomp.CompareLess,
	policy.LessEqual:    libseccomp.CompareLessOrEqual,
	policy.Greater:      libseccomp.CompareGreater,
	policy.GreaterEqual: libseccomp.CompareGreaterEqual,
	policy.MaskEqual:    libseccomp.CompareMaskedEqual,
}

// targets are the labels that stand-ins stand for. The first is the default's.
type targets []label

// action returns the stand-in for l.
func (t *targets) action(l label) libseccomp.ScmpAction {
	i := slices.Index(*t, l)
	if i < 0 {
		i = len(*t)
		*t = append(*t, l)
	}
	return standIn(i)
}

func standIn(i int) libseccomp.ScmpAction { return libseccomp.ActTrace.SetReturnCode(int16(i)) }

// link emits prog with its stand-ins replaced.
func (a *assembler) link(prog []netbpf.RawInstruction, t targets) label {
	for _, in := range slices.Backward(prog) {
		if in.Op == opRet && Action(in.K&unix.SECCOMP_RET_ACTION_FULL) == Trace {
			a.jump(t[in.K&unix.SECCOMP_RET_DATA])
		} else {
			a.rev = append(a.rev, in)
		}
	}
	return a.here()
}

// exported returns the program of f. ExportBPFMem would need libseccomp 2.6.
func exported(f *libseccomp.ScmpFilter) ([]netbpf.RawInstruction, error) {
	fd, err := unix.MemfdCreate("filter", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("bpf: memfd_create: %w", err)
	}
	file := os.NewFile(uintptr(fd), "filter")
	defer file.Close()
	if err := f.ExportBPF(file); err != nil {
		return nil, libseccompError(err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, info.Size())
	if _, err := file.ReadAt(b, 0); err != nil {
		return nil, err
	}
	var out []netbpf.RawInstruction
	for ; len(b) >= 8; b = b[8:] { // struct sock_filter
		out = append(out, netbpf.RawInstruction{
			Op: binary.NativeEndian.Uint16(b), Jt: b[2], Jf: b[3], K: binary.NativeEndian.Uint32(b[4:]),
		})
	}
	return out, nil
}

func libseccompError(err error) error {
	if err != nil {
		return fmt.Errorf("bpf: libseccomp: %w", err)
	}
	return nil
}
