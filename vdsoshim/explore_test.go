package vdsoshim

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// happenings are what may happen at an instruction, see testdata/generator/explore.c.
func happenings(droppable bool, all ...string) string {
	var out []string
	for _, w := range all {
		if droppable || !strings.Contains(w, "d") {
			out = append(out, w)
		}
	}
	return "words=" + strings.Join(out, ",")
}

// hasDroppable says whether the kernel has MAP_DROPPABLE (Linux >= 6.11).
func hasDroppable() bool { return ownParams().Flags&mapDroppable != 0 }

func TestExplore(t *testing.T) {
	everything := []string{"d", "b", "f", "n", "r", "N", "dn", "nd", "fn", "fd", "bn", "db", "dnd", "fbn", "fdn", "nf", "ff", "bnb"}
	eachBlockFunction(t, func(t *testing.T, b blockFunction) {
		for _, noDroppable := range []bool{false, true} {
			if noDroppable && b != bestBlockFunction() && soak() == 0 {
				continue // where the secrets are is nothing to a block function
			}
			droppable := !noDroppable && hasDroppable()
			s := realSubject(t, b.off, noDroppable)
			outside, inside := 400, 40
			if b == bestBlockFunction() {
				outside, inside = 100, 15
			}
			t.Run("droppable="+strconv.FormatBool(droppable), func(t *testing.T) {
				t.Parallel()
				if !droppable {
					s.args = []string{"nodroppable=1"}
				}
				// In parallel: each may take as long as all of its block function.
				soaking(0.5/blocks(), func() {
					t.Log(s.pass(t, "explore", happenings(droppable, everything...), everyth(outside)))
					// The block function too, at some of its thousands of instructions.
					t.Log(s.pass(t, "explore", happenings(droppable, "d", "f", "b", "n", "fdn"), everyth(inside),
						"scenario=in two parts", "stride=211", "offset="+strconv.Itoa(int(time.Now().UnixNano()%211))))
				})
			})
		}
	})
}

func TestSecretsLeft(t *testing.T) {
	eachBlockFunction(t, func(t *testing.T, b blockFunction) {
		for _, noDroppable := range []bool{false, true} {
			realSubject(t, b.off, noDroppable).pass(t, "secrets")
		}
	})
}
