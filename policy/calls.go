package policy

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

const (
	// MaxNumber is the highest number that a policy may name. Kernels have
	// fewer than 512 calls; the rest is room for those that are newer than the
	// table, and keeps tables by number small.
	MaxNumber = 1023

	// x32Bit marks a number of the x32 ABI (__X32_SYSCALL_BIT, asm/unistd.h).
	x32Bit = 0x40000000
)

// Number returns the x86-64 number of a system call by its name.
func Number(name string) (int, bool) {
	i, ok := slices.BinarySearchFunc(callsByName[:], name, func(nr uint16, name string) int {
		return cmp.Compare(callName(int(nr)), name)
	})
	if !ok {
		return 0, false
	}
	return int(callsByName[i]), true
}

// Name returns the name of the x86-64 system call with number nr.
func Name(nr int) (string, bool) {
	if nr < 0 || nr > lastCall {
		return "", false
	}
	name := callName(nr)
	return name, name != ""
}

func callName(nr int) string { return callNames[callOffsets[nr]:callOffsets[nr+1]] }

// label is the name of nr, or the number where it has none.
func label(nr int) string {
	if name, ok := Name(nr); ok {
		return name
	}
	return strconv.Itoa(nr)
}

// Numbers returns every number that has a name, in ascending order.
func Numbers() []int {
	out := make([]int, 0, len(callsByName))
	for nr := 0; nr <= lastCall; nr++ {
		if callName(nr) != "" {
			out = append(out, nr)
		}
	}
	return out
}

// Calls resolves a word of a policy: the name of a call, its number, or a set
// such as "@time". Numbers come in ascending order.
func Calls(word string) ([]int, error) {
	nrs, e := calls(word)
	if e != nil {
		return nil, e
	}
	return nrs, nil
}

func calls(word string) ([]int, *Error) {
	switch {
	case strings.HasPrefix(word, "@"):
		set, ok := LookupSet(word)
		if !ok {
			return nil, unknownSet(word)
		}
		return set.Numbers(), nil
	case word != "" && word[0] >= '0' && word[0] <= '9':
		nr, ok := parseUint(word)
		if !ok || nr > MaxNumber {
			return nil, badNumber(word)
		}
		return []int{int(nr)}, nil
	}
	nr, ok := Number(word)
	if !ok {
		return nil, unknownCall(word)
	}
	return []int{nr}, nil
}
