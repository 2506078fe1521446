package vdsoshim

import (
	"bytes"
	"testing"
)

// What Complete writes into the constants' code stands where it thinks.
func TestConstantsCode(t *testing.T) {
	_, own, err := Own()
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(constantRoom) {
		code := own[constants.off+constantSize*i:][:constantSize]
		if v, nr := le.Uint64(code[constantValue:]), le.Uint32(code[constantNumber:]); v != 0x1122334455667788 || nr != 0x11223344 {
			t.Errorf("constant %d: value %#x, number %#x", i, v, nr)
		}
	}
}

// Any number of constants has a place: code of its own, or in the table.
func TestManyConstants(t *testing.T) {
	answers := map[int]Answer{1: {Kind: AnswerKernel}, DispatchCalls - 1: {Kind: AnswerGenerator}}
	for nr := 2; nr < DispatchCalls-1; nr++ {
		answers[nr] = Answer{Kind: AnswerConstant, Value: int64(-nr) << 33}
	}
	own, _, err := Own()
	if err != nil {
		t.Fatal(err)
	}
	b, err := Complete(Options{Kernel: own, Answers: answers})
	if err != nil {
		t.Fatal(err)
	}
	word := func(nr int) uint32 { return le.Uint32(b.Bytes[tableOff+4*nr:]) }
	for nr := 2; nr < DispatchCalls-1; nr++ {
		at, direct := b.Entry(nr)
		value := b.Bytes[valuesOff+8*nr:]
		switch {
		case direct != (nr < 2+constantRoom) || b.Passes(nr):
			t.Errorf("call %d: direct %t, passes %t", nr, direct, b.Passes(nr))
		case direct && uint64(word(nr)) != at:
			t.Errorf("call %d: the table leads to %#x, a site to %#x", nr, word(nr), at)
		case direct:
			value = b.Bytes[at+constantValue:]
		case word(nr) != dispatchValue:
			t.Errorf("call %d: the table has %#x", nr, word(nr))
		}
		if v := int64(le.Uint64(value)); v != int64(-nr)<<33 {
			t.Errorf("call %d: %#x", nr, v)
		}
	}
	if _, direct := b.Entry(1); direct || !b.Passes(1) || word(1) != dispatchKernel || b.Passes(0) {
		t.Errorf("call 1: %#x", word(1))
	}
	if at, direct := b.Entry(DispatchCalls - 1); !direct || at != reflectedGetrandom.off {
		t.Errorf("the last call: %#x, %t", at, direct)
	}
}

// A record is a whole unit, and its jumps lead within it.
func TestRecord(t *testing.T) {
	for _, counting := range []bool{false, true} {
		const at, site = 0x124000, 0x7f0012345677
		r := (&Built{Counting: counting}).Record(0x10000, at, site, 7)
		if len(r) != StubSize {
			t.Fatalf("%d bytes", len(r))
		}
		if le.Uint64(r[StubSite:]) != site || le.Uint64(r[StubUnwind:]) != site+2 || (le.Uint32(r[stubCounter:]) != 0) != counting {
			t.Errorf("%x", r)
		}
		// jrcxz leads to the system call, behind which the address follows.
		if i := bytes.Index(r, []byte{0x0f, 0x05}); r[10] != 0xe3 || 12+int(r[11]) != i || le.Uint64(r[i+4:]) != site+2 {
			t.Errorf("%x", r)
		}
		if to := 18 + int(int32(le.Uint32(r[14:]))); to != StubSite {
			t.Errorf("the jump to the site reads %d", to)
		}
		if i := bytes.Index(r, []byte{0x0f, 0x05}); i+2 != StubMade {
			t.Errorf("behind the system call: %d", i+2)
		}
		// What is taken back begins with a jump to the jump to the site.
		if !IsRecord(r) || IsRecord(Unit(r[:StubUnwind], site+3)) || IsRecord(r[1:]) {
			t.Errorf("IsRecord: %x", r)
		}
		copy(r, Withdrawn())
		if to := 2 + int(int8(r[1])); r[0] != 0xeb || !bytes.Equal(r[to:to+2], []byte{0xff, 0x25}) || IsRecord(r) {
			t.Errorf("taken back: %x", r)
		}
	}
}
