//go:build !libseccomp || !cgo

package bpf

import "github.com/sysreflect/sysreflect/policy"

// HaveLibseccomp reports whether CompileLibseccomp is built in.
const HaveLibseccomp = false

// CompileLibseccomp is Compile by libseccomp, in builds with cgo and the tag
// libseccomp; in others it fails with ErrNoLibseccomp.
func CompileLibseccomp(p *policy.Plan, x Exempt) (*Program, error) {
	return nil, ErrNoLibseccomp
}
