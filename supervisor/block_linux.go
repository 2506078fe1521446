package supervisor

import (
	"fmt"

	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

// blockFunction is the shim's function that a plan asks for. One that can't be
// used here is an error, which wraps ErrUnsupported.
func blockFunction(b policy.Block) (vdsoshim.Block, error) {
	if b == policy.BlockAuto {
		return vdsoshim.Best(), nil
	}
	f, err := vdsoshim.ParseBlock(b.String())
	if err == nil {
		err = f.Usable()
	}
	if err != nil {
		return f, fmt.Errorf("%w: block function %w", ErrUnsupported, err)
	}
	return f, nil
}
